// The embedded default: what `weir serve` runs without a configuration file: the local models of a folder,
// open to programs on this machine, with one API key of its own for clients that insist on one.
#pragma once

#include <string>

#include "weir/app/serve.h"
#include "weir/base/result.h"
#include "weir/io/loop.h"

namespace weir::app {

struct DefaultSettings {
  std::string yaml;
  std::string api_key;     // kept in state_dir/api_key
  std::string chat_model;  // empty: no local model was found
  std::string embedding_model;
};

/// Errors: kIo (the state folder can not be written).
Result<DefaultSettings> default_settings(const ServeCommand& command, io::Loop& loop);

}  // namespace weir::app
