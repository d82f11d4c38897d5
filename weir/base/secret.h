// A text that must not be seen: an API key, a header that carries one. Nothing prints it: no stream operator,
// no fmt formatter, and a test framework that insists gets "***". Only reveal() reads it; its callers are
// easy to find and few. The memory is wiped when the value dies, is moved from or is assigned over. A value.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

namespace weir {

class Secret {
 public:
  Secret() = default;
  /// Takes the text over and wipes what is left in `text`.
  explicit Secret(std::string&& text);
  explicit Secret(std::string_view text);
  Secret(const Secret& other);
  Secret(Secret&& other) noexcept;
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();

  /// The text itself. Never put it into a message, a log line or an Error.
  std::string_view reveal() const { return text_; }
  bool empty() const { return text_.empty(); }

  /// Constant time in the contents.
  friend bool operator==(const Secret& a, const Secret& b);
  friend std::ostream& operator<<(std::ostream&, const Secret&) = delete;
  friend void PrintTo(const Secret&, std::ostream* out);  // GoogleTest would print the bytes otherwise

 private:
  std::string text_;
};

/// Overwrites the text, its spare capacity too, in a way the compiler keeps, and empties it.
void wipe(std::string& text);

}  // namespace weir
