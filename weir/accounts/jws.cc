#include "weir/accounts/jws.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <string>
#include <utility>

#include "weir/base/hash.h"

namespace weir::accounts {
namespace {

constexpr std::pair<Algorithm, std::string_view> kNames[] = {{Algorithm::kHs256, "HS256"},
                                                             {Algorithm::kRs256, "RS256"},
                                                             {Algorithm::kPs256, "PS256"},
                                                             {Algorithm::kEs256, "ES256"},
                                                             {Algorithm::kEdDsa, "EdDSA"}};

constexpr int kRsaBitsMin = 2048;
constexpr int kRsaBitsMax =
    8192;  // a signature of such a key costs 0.1 ms to check, one of 16384 bits ten times that
constexpr size_t kSecretBytesMin = 32;

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using EcSignature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Number number_of(std::string_view bytes) {
  return Number(BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
}

Unexpected no_key(const char* why) {
  return fail_internal(ErrorCode::kConfig, why);
}

std::shared_ptr<EVP_PKEY> key_from(const char* type, OSSL_PARAM_BLD* builder) {
  Params params(OSSL_PARAM_BLD_to_param(builder));
  KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* made = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return nullptr;
  std::shared_ptr<EVP_PKEY> key(made, EVP_PKEY_free);
  KeyContext check(EVP_PKEY_CTX_new(made, nullptr));
  return check && EVP_PKEY_public_check(check.get()) == 1 ? key : nullptr;
}

// Nemec et al., "The Return of Coppersmith's Attack", CCS 2017: primes drawn by one vendor's library are
// powers of 65537 modulo small primes, and so is their product. A modulus drawn fairly passes for one with
// a chance below 2^-27.
bool is_roca(const BIGNUM* modulus) {
  for (unsigned prime : {3u,   5u,   7u,   11u,  13u,  17u,  19u,  23u,  29u,  31u,  37u,  41u,  43u,
                         47u,  53u,  59u,  61u,  67u,  71u,  73u,  79u,  83u,  89u,  97u,  101u, 103u,
                         107u, 109u, 113u, 127u, 131u, 137u, 139u, 149u, 151u, 157u, 163u, 167u}) {
    std::bitset<168> powers;
    for (unsigned power = 1; !powers[power]; power = power * (65537 % prime) % prime)
      powers.set(power);
    if (!powers[static_cast<size_t>(BN_mod_word(modulus, prime))]) return false;
  }
  return true;
}

// Of P-256's order: FIPS 186-4, D.1.2.3.
constexpr std::array<unsigned char, 32> kP256Order = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};

bool in_p256_order(std::string_view number) {
  auto unsigned_less = [](unsigned char a, unsigned char b) { return a < b; };
  bool zero = std::ranges::all_of(number, [](char c) { return c == 0; });
  return !zero && std::lexicographical_compare(bytes_of(number), bytes_of(number) + number.size(),
                                               kP256Order.begin(), kP256Order.end(), unsigned_less);
}

// ES256's signature is r and s, 32 bytes each (RFC 7518, 3.4); OpenSSL's is DER.
std::string der_of(std::string_view signature) {
  if (signature.size() != 64) return {};
  std::string_view r = signature.substr(0, 32), s = signature.substr(32);
  if (!in_p256_order(r) || !in_p256_order(s)) return {};
  EcSignature both(ECDSA_SIG_new());
  Number r_number = number_of(r), s_number = number_of(s);
  if (!both || !r_number || !s_number) return {};
  ECDSA_SIG_set0(both.get(), r_number.release(), s_number.release());
  unsigned char* der = nullptr;
  int size = i2d_ECDSA_SIG(both.get(), &der);
  if (size <= 0) return {};
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

bool verify_public(EVP_PKEY* key, Algorithm algorithm, std::string_view message, std::string_view signature) {
  DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;  // belongs to `context`
  const EVP_MD* digest = algorithm == Algorithm::kEdDsa ? nullptr : EVP_sha256();
  if (!context || EVP_DigestVerifyInit(context.get(), &key_context, digest, nullptr, key) != 1) return false;
  if (algorithm == Algorithm::kRs256 && EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PADDING) != 1)
    return false;
  if (algorithm == Algorithm::kPs256 &&
      (EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) != 1 ||
       EVP_PKEY_CTX_set_rsa_mgf1_md(key_context, EVP_sha256()) != 1 ||
       EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST) != 1))
    return false;
  return EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(message),
                          message.size()) == 1;
}

bool verify_secret(const Secret& secret, std::string_view message, std::string_view signature) {
  std::array<unsigned char, 32> expected{};
  unsigned int size = 0;
  std::string_view key = secret.reveal();
  if (!HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(message), message.size(),
            expected.data(), &size))
    return false;
  return constant_time_equal(signature, {reinterpret_cast<const char*>(expected.data()), size});
}

}  // namespace

std::string_view name(Algorithm algorithm) {
  return std::ranges::find(kNames, algorithm, &std::pair<Algorithm, std::string_view>::first)->second;
}

std::optional<Algorithm> algorithm_of(std::string_view text) {
  for (auto [algorithm, its_name] : kNames)
    if (its_name == text) return algorithm;
  return std::nullopt;
}

Result<SignatureKey> SignatureKey::rsa(std::string_view modulus, std::string_view exponent) {
  if (modulus.size() > kRsaBitsMax / 8 || exponent.size() > 4)
    return no_key("the RSA key is larger than 8192 bits, or its exponent than 32");
  Number n = number_of(modulus), e = number_of(exponent);
  ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (!n || !e || !builder) return no_key("out of memory");
  if (BN_num_bits(n.get()) < kRsaBitsMin) return no_key("the RSA key is shorter than 2048 bits");
  if (!BN_is_odd(n.get()) || !BN_is_odd(e.get()) || BN_is_one(e.get()))
    return no_key("the RSA key is even, or its exponent 1 or even");
  if (is_roca(n.get())) return no_key("the RSA key can be factored (ROCA)");
  SignatureKey key(Kind::kRsa);
  if (OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1)
    key.public_key_ = key_from("RSA", builder.get());
  if (!key.public_key_) return no_key("is no RSA key");
  return key;
}

Result<SignatureKey> SignatureKey::p256(std::string_view x, std::string_view y) {
  if (x.size() != 32 || y.size() != 32) return no_key("a coordinate of P-256 has 32 bytes");
  std::string point = "\x04";
  point.append(x).append(y);
  ParamBuilder builder(OSSL_PARAM_BLD_new());
  SignatureKey key(Kind::kP256);
  if (builder &&
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) ==
          1)
    key.public_key_ = key_from("EC", builder.get());
  if (!key.public_key_) return no_key("is no point of P-256");
  return key;
}

Result<SignatureKey> SignatureKey::ed25519(std::string_view point) {
  if (point.size() != 32) return no_key("an Ed25519 key has 32 bytes");
  SignatureKey key(Kind::kEd25519);
  key.public_key_.reset(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(point), point.size()),
                        EVP_PKEY_free);
  if (!key.public_key_) return no_key("is no Ed25519 key");
  return key;
}

Result<SignatureKey> SignatureKey::secret(Secret secret) {
  if (secret.reveal().size() < kSecretBytesMin) return no_key("a secret for HS256 has at least 32 bytes");
  SignatureKey key(Kind::kSecret);
  key.secret_ = std::move(secret);
  return key;
}

bool SignatureKey::can(Algorithm algorithm) const {
  switch (algorithm) {
    case Algorithm::kHs256:
      return kind_ == Kind::kSecret;
    case Algorithm::kRs256:
    case Algorithm::kPs256:
      return kind_ == Kind::kRsa;
    case Algorithm::kEs256:
      return kind_ == Kind::kP256;
    case Algorithm::kEdDsa:
      return kind_ == Kind::kEd25519;
  }
  return false;
}

bool SignatureKey::verify(Algorithm algorithm, std::string_view message, std::string_view signature) const {
  if (!can(algorithm)) return false;
  if (kind_ == Kind::kSecret) return verify_secret(secret_, message, signature);
  if (kind_ != Kind::kP256) return verify_public(public_key_.get(), algorithm, message, signature);
  std::string der = der_of(signature);
  return !der.empty() && verify_public(public_key_.get(), algorithm, message, der);
}

}  // namespace weir::accounts
