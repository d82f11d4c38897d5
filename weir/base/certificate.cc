#include "weir/base/certificate.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <chrono>
#include <limits>
#include <memory>

namespace weir {

std::optional<WallTime> certificate_ends(std::string_view pem) {
  if (pem.size() > static_cast<size_t>(std::numeric_limits<int>::max())) return std::nullopt;
  std::unique_ptr<BIO, decltype(&BIO_free)> bytes(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                  &BIO_free);
  if (!bytes) return std::nullopt;
  std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(bytes.get(), nullptr, nullptr, nullptr), &X509_free);
  std::tm end{};
  if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) != 1) return std::nullopt;
  using namespace std::chrono;
  sys_days day = year(end.tm_year + 1900) / month(static_cast<unsigned>(end.tm_mon + 1)) /
                 std::chrono::day(static_cast<unsigned>(end.tm_mday));
  auto second = duration_cast<weir::seconds>(day.time_since_epoch()) + hours(end.tm_hour) +
                minutes(end.tm_min) + weir::seconds(end.tm_sec);
  // Past 2262 a time in nanoseconds has no room; who writes such a date means "never".
  constexpr int64_t kLast_s = std::numeric_limits<int64_t>::max() / 1'000'000'000;
  return WallTime{std::min<int64_t>(second.count(), kLast_s) * 1'000'000'000};
}

}  // namespace weir
