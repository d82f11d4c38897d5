#include <array>
#include <charconv>

#include "weir/http/server_connection.h"

namespace weir::http {
namespace {

// A write's time limit counts for this much: a client that reads slowly but steadily is not cut off.
constexpr size_t kWriteBytesMax = 256 * 1024;

void append_number(std::string& out, uint64_t value, int base = 10) {
  std::array<char, 24> digits;
  auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
  out.append(digits.data(), static_cast<size_t>(end - digits.data()));
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Unknown";
  }
}

void ResponseWriter::append_head(int status, HeaderList headers) {
  status_ = status;
  started_ = true;
  head_.reserve(512);
  head_.append("HTTP/1.1 ");
  append_number(head_, static_cast<uint64_t>(status));
  head_.append(" ")
      .append(reason_phrase(status))
      .append("\r\nDate: ")
      .append(connection_.server_.date())
      .append("\r\n");
  for (const Header& h : headers)
    head_.append(h.name).append(": ").append(h.value).append("\r\n");
  // What is left of the request's body decides whether another request can follow. A client that waits for
  // "100 Continue" and gets a final answer may send the body or leave it: what comes next could be either.
  ServerConnection& c = connection_;
  if (c.closing_ || c.continue_due_ || c.body_.length_left() > c.options_.unread_body_bytes_max)
    c.keep_alive_ = false;
}

void ResponseWriter::append_connection() {
  if (!connection_.keep_alive_)
    head_.append("Connection: close\r\n");
  else if (connection_.head_.minor_version == 0)
    head_.append("Connection: keep-alive\r\n");  // closing is what 1.0 takes silence for
}

io::Task<bool> ResponseWriter::send(int status, HeaderList headers, std::string_view body) {
  WEIR_ASSERT(!started_);
  append_head(status, headers);
  append_connection();
  head_.append("Content-Length: ");
  append_number(head_, body.size());
  head_.append("\r\n\r\n");
  body_bytes_ = body.size();
  complete_ = true;
  if (connection_.head_.method == "HEAD") body = {};
  return put({head_, body, {}});
}

void ResponseWriter::begin(int status, HeaderList headers) {
  WEIR_ASSERT(!started_);
  append_head(status, headers);
  chunked_ = connection_.head_.minor_version >= 1;
  if (!chunked_)
    connection_.keep_alive_ = false;  // HTTP/1.0: the end of the connection is the end of the body
  append_connection();
  if (chunked_) head_.append("Transfer-Encoding: chunked\r\n");
  head_.append("\r\n");
  head_only_ = connection_.head_.method == "HEAD";
}

io::Task<bool> ResponseWriter::write(std::string_view bytes) {
  body_bytes_ += bytes.size();
  if (head_only_) bytes = {};
  if (!chunked_ || bytes.empty()) return put({head_, bytes, {}});
  append_number(head_, bytes.size(), 16);
  head_.append("\r\n");
  return put({head_, bytes, "\r\n"});
}

io::Task<bool> ResponseWriter::end(std::string_view last) {
  body_bytes_ += last.size();
  complete_ = true;
  if (head_only_) return put({head_, {}, {}});
  if (!chunked_) return put({head_, last, {}});
  if (last.empty()) return put({head_, "0\r\n\r\n", {}});
  append_number(head_, last.size(), 16);
  head_.append("\r\n");
  return put({head_, last, "\r\n0\r\n\r\n"});
}

io::Task<bool> ResponseWriter::put(std::array<std::string_view, 3> pieces) {
  io::Cancel& scope = *(connection_.request_scope_ ? connection_.request_scope_ : &connection_.scope_);
  io::IoStatus status = io::IoStatus::kOk;
  for (std::string_view rest = pieces[1]; status == io::IoStatus::kOk;) {
    pieces[1] = rest.substr(0, kWriteBytesMax);
    rest.remove_prefix(pieces[1].size());
    std::span<const std::string_view> now(pieces.data(), rest.empty() ? 3 : 2);
    status = co_await TimedWrite(*connection_.stream_, now, scope, connection_.server_.loop_,
                                 connection_.options_.write_timeout);
    if (rest.empty()) break;
    pieces[0] = {};
  }
  std::string().swap(head_);  // a stream may last for minutes: what its head took is given back
  if (status == io::IoStatus::kOk) co_return true;
  complete_ = false;
  scope.request(status == io::IoStatus::kTimedOut ? io::CancelReason::kClientSlow
                                                  : io::CancelReason::kClientLeft);
  co_return false;
}

}  // namespace weir::http
