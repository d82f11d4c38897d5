#include "weir/embed/shared_library.h"

#include <dlfcn.h>
#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

namespace weir::embed {
namespace {

struct CloseFile {
  void operator()(std::FILE* f) const { std::fclose(f); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

Unexpected refuse(const std::string& path, std::string_view reason) {
  return fail_internal(ErrorCode::kConfig, fmt::format("library {}: {}", path, reason));
}

bool read_at(std::FILE* file, uint64_t offset, void* out, size_t bytes) {
  return std::fseek(file, static_cast<long>(offset), SEEK_SET) == 0 &&
         std::fread(out, 1, bytes, file) == bytes;
}

// The loader maps a library as its headers say. Where the file is shorter than they say, the first touch of a
// missing page is SIGBUS, which no error path catches: so a cut download is found here, before dlopen.
Result<void> check_whole(const std::string& path) {
  File file(std::fopen(path.c_str(), "rb"));
  if (!file) return refuse(path, std::strerror(errno));
  Elf64_Ehdr header{};
  if (!read_at(file.get(), 0, &header, sizeof header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr))
    return refuse(path, "this is no 64-bit ELF shared library");
  std::fseek(file.get(), 0, SEEK_END);
  uint64_t size = static_cast<uint64_t>(std::ftell(file.get()));
  uint64_t needed = header.e_shoff + uint64_t{header.e_shentsize} * header.e_shnum;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    if (!read_at(file.get(), header.e_phoff + i * sizeof segment, &segment, sizeof segment))
      return refuse(path, "the file is cut short");
    if (segment.p_type == PT_LOAD) needed = std::max(needed, segment.p_offset + segment.p_filesz);
  }
  if (needed > size) return refuse(path, fmt::format("the file is cut short: {} of {} bytes", size, needed));
  return {};
}

}  // namespace

Result<SharedLibrary> SharedLibrary::open(const std::string& path) {
  TRY_VOID(check_whole(path));
  // A name without a slash would be searched for in the system's directories instead.
  std::string exact = path.find('/') == std::string::npos ? "./" + path : path;
  void* handle = dlopen(exact.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) return refuse(path, dlerror());
  return SharedLibrary(handle);
}

void* SharedLibrary::symbol(const char* name) const {
  return dlsym(handle_, name);
}

}  // namespace weir::embed
