// A shared library opened at run time, so that the gateway runs without it and names no header of it. Never
// closed again: ONNX Runtime keeps threads and statics that outlive every session. Thread-safe once open.
#pragma once

#include <string>
#include <type_traits>

#include "weir/base/result.h"

namespace weir::embed {

class SharedLibrary {
 public:
  /// Blocks. Errors: kConfig with the path and the reason (absent, no ELF file, cut short, loader's message).
  static Result<SharedLibrary> open(const std::string& path);

  /// The address of a function, or nullptr. F is the function's type.
  template <class F>
    requires std::is_function_v<F>
  F* function(const char* name) const {
    return reinterpret_cast<F*>(symbol(name));
  }

 private:
  explicit SharedLibrary(void* handle) : handle_(handle) {}
  void* symbol(const char* name) const;
  void* handle_;
};

}  // namespace weir::embed
