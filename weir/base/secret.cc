#include "weir/base/secret.h"

#include <openssl/crypto.h>

#include <ostream>
#include <utility>

#include "weir/base/hash.h"

namespace weir {

void wipe(std::string& text) {
  text.resize(text.capacity());  // never reallocates; makes the spare bytes ours to write
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

// A short std::string lives inside the object, so moving one copies its bytes: the source is wiped each time.
Secret::Secret(std::string&& text) : text_(std::move(text)) {
  wipe(text);
}
Secret::Secret(std::string_view text) : text_(text) {}
Secret::Secret(const Secret& other) : text_(other.text_) {}
Secret::Secret(Secret&& other) noexcept : text_(std::move(other.text_)) {
  wipe(other.text_);
}

Secret& Secret::operator=(const Secret& other) {
  if (this == &other) return *this;
  wipe(text_);
  text_ = other.text_;
  return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  wipe(text_);
  text_ = std::move(other.text_);
  wipe(other.text_);
  return *this;
}

Secret::~Secret() {
  wipe(text_);
}

bool operator==(const Secret& a, const Secret& b) {
  return constant_time_equal(a.text_, b.text_);
}

void PrintTo(const Secret&, std::ostream* out) {
  *out << "***";
}

}  // namespace weir
