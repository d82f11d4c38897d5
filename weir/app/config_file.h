// The configuration file: reading it through a loop's disk, with its references, and telling every problem
// with its place.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/settings.h"
#include "weir/io/loop.h"

namespace weir::app {

/// Reads and checks `path`. Errors: kConfig, the message holding one problem a line ("weir.yaml:12:5: ...").
Result<std::shared_ptr<const Settings>> load_settings(const std::string& path, io::Disk& disk,
                                                      io::Processes& processes);

/// The same for a text in hand; `name` stands for the file in messages, relative paths start at `directory`.
Result<std::shared_ptr<const Settings>> read_settings(std::string_view yaml, const std::string& name,
                                                      const std::string& directory, io::Disk& disk,
                                                      io::Processes& processes);

/// A configuration's text as people may see it: its secrets masked (settings_shown.h). Empty: it is no YAML.
std::string shown_config(std::string_view yaml);
/// The same of a file; empty: it cannot be read.
std::string shown_config_file(const std::string& path, io::Disk& disk);

/// What is wrong with the files of local models, one sentence each. Not part of loading: weir serves its
/// other models without them.
std::vector<std::string> local_file_problems(const Settings& settings, io::Disk& disk);

}  // namespace weir::app
