// The configuration as people may see it: the file's own keys, order and values, without comments, every
// secret masked. Default deny: a value is shown only where the table of keys (settings.h) knows it as no
// secret. References (${env:NAME}, ${file:PATH}) are shown as written: they are names, not secrets. Pure.
#pragma once

#include <string>

#include "weir/base/settings_yaml.h"

namespace weir {

/// YAML again.
std::string shown_settings(const YamlNode& root);

}  // namespace weir
