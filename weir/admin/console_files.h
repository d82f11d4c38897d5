// The files of the web console, built from ui/ into the program (cmake/console.cmake).
#pragma once

#include <span>
#include <string_view>

namespace weir::admin {

struct ConsoleFile {
  std::string_view path;  // below /console/
  std::string_view type;
  std::string_view tag;  // of its content, quoted, as in ETag
  bool immutable;        // its name has the hash of its content
  std::span<const unsigned char> bytes;
  std::span<const unsigned char> gzip;
};

/// Empty: built without the console.
std::span<const ConsoleFile> console_files();

}  // namespace weir::admin
