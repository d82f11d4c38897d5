// GET /console/...: the files of the web console. Anybody may have them: they hold no data, what they ask for
// takes a key. A path that is no file is a place inside the console: the page finds its way itself.
#include <algorithm>

#include "weir/admin/call.h"
#include "weir/admin/console_files.h"

namespace weir::admin {
namespace {

// Scripts, styles and data from here only, nothing inline, no plugin, no frame around it, no form to
// elsewhere.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

bool takes_gzip(HeaderList headers) {
  const Header* accepted = find_header(headers, "accept-encoding");
  if (!accepted) return false;
  // "gzip;q=0" refuses it; every other mention takes it.
  size_t at = accepted->value.find("gzip");
  return at != std::string_view::npos && !accepted->value.substr(at).starts_with("gzip;q=0,") &&
         accepted->value.substr(at) != "gzip;q=0";
}

std::string text_of(std::span<const unsigned char> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Answer file(const Call& call, const ConsoleFile& f) {
  Answer answer;
  answer.content_type = f.type;
  answer.headers = {
      {"etag", std::string(f.tag)},
      {"cache-control", f.immutable ? "public, max-age=31536000, immutable" : "no-cache"},
      {"vary", "accept-encoding"},
      {"content-security-policy", std::string(kPolicy)},
      {"referrer-policy", "no-referrer"},
      {"x-frame-options", "DENY"},
      {"cross-origin-opener-policy", "same-origin"},
      {"cross-origin-resource-policy", "same-origin"},
  };
  HeaderList asked = call.request.head.headers;
  if (const Header* known = find_header(asked, "if-none-match"); known && known->value == f.tag) {
    answer.status = 304;
    return answer;
  }
  if (takes_gzip(asked)) {
    answer.headers.emplace_back("content-encoding", "gzip");
    answer.body = text_of(f.gzip);
  } else {
    answer.body = text_of(f.bytes);
  }
  return answer;
}

}  // namespace

template <>
io::Task<Result<Answer>> serve<Route::kConsoleRoot>(Call&) {
  Answer answer;
  answer.status = 308;
  answer.headers = {{"location", "/console/"}};
  co_return answer;
}

template <>
io::Task<Result<Answer>> serve<Route::kConsole>(Call& call) {
  std::span<const ConsoleFile> files = console_files();
  if (files.empty())
    co_return fail(ErrorCode::kNotFound, "This weir was built without the web console.", {}, "no_console");
  auto found = std::ranges::find(files, call.rest, &ConsoleFile::path);
  // A file of an older build that is gone must not become a page that is taken for a script.
  if (found == files.end() && call.rest.starts_with("assets/"))
    co_return fail(ErrorCode::kNotFound, "There is no such file.", {}, "unknown_path");
  if (found == files.end()) found = std::ranges::find(files, "index.html", &ConsoleFile::path);
  co_return file(call, *found);
}

}  // namespace weir::admin
