// weir models: prints what the registry knows of models.
#pragma once

#include <string>

namespace weir::app {

struct ModelsCommand {
  std::string vendor;  // of this one only: "openai"; empty: all
  std::string name;    // that begin so; empty: all
  bool json = false;   // one object a line
};

/// The process's exit code: 0, or 1 when nothing is known.
int run_models(const ModelsCommand& command);

}  // namespace weir::app
