// For tests of tokens: an issuer's keys and tokens signed with them, made once by PyJWT 2.15.1 and of no
// other use; tokens under a shared secret are signed here.
#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string>
#include <string_view>

#include "weir/base/base64.h"
#include "weir/base/settings.h"

namespace weir::accounts::testing {

/// An RSA key "rsa", one of P-256 "ec" and one of Ed25519 "ed".
inline constexpr std::string_view kKeys =
    "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"sxnSdAuIe7-ONB_CUZGqUl7CnfY8cZB5wxwiCTaf9cnVzbImSrTFb-uIS6Zin-"
    "9wNtAow"
    "n7b9NlsanDJy7ju09xmewI2JUz5HOK0Dad9JSfmaAWntvHUy5geByMOQ6fhCiV3fA95WqXpU9aQDcUVMVKQ45LvgQDtwUeNR"
    "2PlNiVPYIvIlkpWIrCKBNUM9H0-hWoxS37QSIr_jri4U3yP2XcZJCULQIEdPIwNpQ2fGKPYx5RX2ugFlj7I9N6-CQADUAnn6"
    "xQd1u1pw2yuxBaef6NYZWDpm_rVdTfa71rrkQLADXLv2Qlr_vun1xlgFBLRp0i2LhkyCDlvlCW9OXhW7Q\",\"e\":\"AQAB\",\"k"
    "id\":\"rsa\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"PfpTESa3NXAHtLPIGMGafm0Wz28k7mwf8wasw1nZkXE\","
    "\"y\":\"Gpey"
    "ki1XI5bTo43nTts8xvkkYHUe6dOYbav3sqyPNAE\",\"kid\":\"ec\"},{\"x\":\"KXPBcj7F3Qcaen2MzOFxKJoCQHczAnNV2dMgK"
    "yIPpa8\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\"}]}";
// Of https://id.test for ada, aud [api, weir], org t1, until 2100.
inline constexpr std::string_view kRs256Token =
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lkLnRlc3QiLCJzdWIiOiJ"
    "hZGEiLCJhdWQiOlsiYXBpIiwid2VpciJdLCJleHAiOjQxMDI0NDQ4MDAsIm9yZyI6InQxIn0.HiSY4RsTLbRey43LNfYfrow"
    "j6-MCmbLLD298oecCslNy_h3KWTLhi9KLCywmylarNqrXfCheka1gS1KTTvnAblO60HXQHeb6HgBqotBZ7ATaMCD6nEBKWn9"
    "5R4h9mPJtTgjN3l5oo7TOCZalNGm9evUm0jUHu0YkRMzdHLJ8twfwV_GvEc9H6CnAFGZ44glwNObWFfgejOupYFgVShrCWId"
    "AlHepCAC5eM9YwH4bSvZxm7RCEOqB8aSmYKKx2H2_x3lG9XQwGIWyppzFPIn0U70LPyJFyJrLV8QgD9CW39Fg47aRcIc2gad"
    "URVVgdMXm7J5HqBNIotdoRzgM74jmEA";
inline constexpr std::string_view kPs256Token =
    "eyJhbGciOiJQUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lkLnRlc3QiLCJzdWIiOiJ"
    "hZGEiLCJhdWQiOlsiYXBpIiwid2VpciJdLCJleHAiOjQxMDI0NDQ4MDAsIm9yZyI6InQxIn0.BouVtelUKXn3D61vngl80Px"
    "cN_Ng7gkV28yZP_-6VzF2E1b2gIE5owyiRbtclu_Y33LO2I55pBVcbFwIcA4vtL7ZhdNv8bWKKkuXhkOA3RLxzuUeVN9ogc8"
    "KIsyd7yxZedlrNfQGbd7tGfE7938lDRFspOkl7j8AzsXNOmTBYCbndBnpAXFSJ3sh_ZfnHHj2dxfb7DimInupzQeyZbzJ3Ja"
    "QQ9iims7SuhNUnKIyv7MHmpVuWaW8A4nNsFwFOotHja8cULk5-XcuLFLSyh40hQmH-hcHc3GCOcq7qzCLpIvqBcTUVUGT6rG"
    "sY4Nm1S1iFm2B9-lUkWPG72yoUzSGEQ";
inline constexpr std::string_view kEs256Token =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImVjIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczovL2lkLnRlc3QiLCJzdWIiOiJh"
    "ZGEiLCJhdWQiOlsiYXBpIiwid2VpciJdLCJleHAiOjQxMDI0NDQ4MDAsIm9yZyI6InQxIn0.n9qum5xUDR374GQ_H3v7DKut"
    "JcE2qoYteN_wSV6USnUPVcsGn_dmC4v_hcuoy1vopN6SRZIfJUz2wSh1z5DpaA";
inline constexpr std::string_view kEdDsaToken =
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczovL2lkLnRlc3QiLCJzdWIiOiJh"
    "ZGEiLCJhdWQiOlsiYXBpIiwid2VpciJdLCJleHAiOjQxMDI0NDQ4MDAsIm9yZyI6InQxIn0.ododq2wq97bK160h7RV8MsGS"
    "EKqFpU-OKw39TapSRovK6JcOOqm2l2v7cNYn8AePX15Zhdbv86lirIbgrFxjCw";

inline constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";
inline constexpr int64_t kNowS = 1'800'000'000;

inline std::string hs256(std::string_view input, std::string_view secret = kSecret) {
  unsigned char digest[32];
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(input.data()), input.size(), digest, &size);
  return base64url_encode({reinterpret_cast<const char*>(digest), size});
}

/// A token of these JSON texts, whatever they are, under kSecret.
inline std::string token(std::string_view claims, std::string_view header = R"({"alg":"HS256"})") {
  std::string input = base64url_encode(header) + "." + base64url_encode(claims);
  return input + "." + hs256(input);
}

/// Takes tokens of token().
inline TokenIssuerSettings secret_issuer() {
  TokenIssuerSettings issuer;
  issuer.name = "shared";
  issuer.issuer = "https://id.test";
  issuer.algorithms = {"HS256"};
  issuer.hs256_key = Secret(kSecret);
  return issuer;
}

/// Takes the tokens above, its keys from `file`.
inline TokenIssuerSettings public_issuer(std::string file = {}) {
  TokenIssuerSettings issuer;
  issuer.name = "corp";
  issuer.issuer = "https://id.test";
  issuer.algorithms = {"RS256", "PS256", "ES256", "EdDSA"};
  issuer.jwks_file = std::move(file);
  return issuer;
}

}  // namespace weir::accounts::testing
