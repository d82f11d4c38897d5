#include "weir/io/net/tls_context.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "weir/io/net/socket_address.h"

namespace weir::io::net {
namespace {

struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Bio = std::unique_ptr<BIO, BioFree>;
using Certificate = std::unique_ptr<X509, BioFree>;
using PrivateKey = std::unique_ptr<EVP_PKEY, BioFree>;

constexpr unsigned char kAlpn[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

Bio reader(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// OpenSSL asks the terminal when it gets no callback.
int no_passphrase(char*, int, int, void*) {
  return 0;
}

SslContext make_context(const SSL_METHOD* method) {
  SslContext context(SSL_CTX_new(method));
  if (!context) return nullptr;
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // RELEASE_BUFFERS: an idle connection gives back its two 17 KB record buffers. Read-ahead: one recv a batch
  // of records instead of two a record.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context.get(), 1);
  return context;
}

// A client that offers only other protocols is let through without ALPN; it speaks HTTP/1.1 or hangs up.
int choose_alpn(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* offered,
                unsigned int offered_length, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, kAlpn, sizeof(kAlpn), offered, offered_length) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

bool trust_only(SSL_CTX* context, const std::string& ca_pem) {
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  Bio bio = reader(ca_pem);
  int added = 0;
  while (Certificate one{PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)}) {
    if (X509_STORE_add_cert(store, one.get()) != 1) return false;
    ++added;
  }
  ERR_clear_error();  // the end of the text is an error too
  return added > 0;
}

}  // namespace

std::string tls_reasons() {
  std::string text;
  while (unsigned long code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    if (!text.empty()) text += ", ";
    text += reason ? reason : fmt::format("error {:x}", code);
  }
  return text.empty() ? "unknown reason" : text;
}

Result<SslContext> make_server_context(const TlsServerOptions& options) {
  ERR_clear_error();
  auto refuse = [](std::string_view what) {
    return fail_internal(ErrorCode::kConfig, fmt::format("{}: {}", what, tls_reasons()));
  };
  SslContext context = make_context(TLS_server_method());
  if (!context) return refuse("TLS cannot start");

  Bio chain = reader(options.certificate_pem);
  Certificate leaf(PEM_read_bio_X509(chain.get(), nullptr, no_passphrase, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context.get(), leaf.get()) != 1)
    return refuse("the TLS certificate cannot be read");
  while (Certificate next{PEM_read_bio_X509(chain.get(), nullptr, no_passphrase, nullptr)})
    if (SSL_CTX_add1_chain_cert(context.get(), next.get()) != 1)
      return refuse("the TLS certificate chain cannot be read");
  ERR_clear_error();

  PrivateKey key(
      PEM_read_bio_PrivateKey(reader(options.private_key_pem).get(), nullptr, no_passphrase, nullptr));
  if (!key) return refuse("the TLS private key cannot be read");
  if (SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1 || SSL_CTX_check_private_key(context.get()) != 1)
    return refuse("the TLS private key does not fit the certificate");

  SSL_CTX_set_alpn_select_cb(context.get(), choose_alpn, nullptr);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);  // tickets resume without memory of ours
  SSL_CTX_set_num_tickets(context.get(), 1);
  return context;
}

Result<TlsClients::Trust*> TlsClients::trust(const std::string& ca_pem) {
  auto& slot = trusts_[ca_pem];
  if (slot) return slot.get();
  auto made = std::make_unique<Trust>();
  made->context = make_context(TLS_client_method());
  if (!made->context) return fail_internal(ErrorCode::kUpstream, "TLS cannot start: " + tls_reasons());
  SSL_CTX* context = made->context.get();
  bool trusted =
      ca_pem.empty() ? SSL_CTX_set_default_verify_paths(context) == 1 : trust_only(context, ca_pem);
  if (!trusted)
    return fail_internal(ErrorCode::kUpstream,
                         "the trusted TLS certificates cannot be read: " + tls_reasons());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_alpn_protos(context, kAlpn, sizeof(kAlpn));
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_session);
  SSL_CTX_set_app_data(context, made.get());
  slot = std::move(made);
  return slot.get();
}

// Returns 1 when it keeps the reference it is given.
int TlsClients::keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* trust = static_cast<Trust*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (!name) return 0;
  auto& sessions = trust->sessions;
  if (sessions.size() >= kSessionsMax && !sessions.contains(name)) sessions.erase(sessions.begin());
  sessions[name].reset(session);
  return 1;
}

Result<Ssl> TlsClients::make(const TlsClientOptions& options) {
  ERR_clear_error();
  TRY(Trust * trust, this->trust(options.ca_pem));
  Ssl ssl(SSL_new(trust->context.get()));
  if (!ssl) return fail_internal(ErrorCode::kUpstream, "TLS cannot start: " + tls_reasons());
  SSL_set_connect_state(ssl.get());

  const std::string& name = options.server_name;
  bool literal = SocketAddress::literal({Address::Kind::kTcp, name, 0}).has_value();
  bool set;
  if (literal) {  // SNI carries names only
    set = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), name.c_str()) == 1;
  } else {
    SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    set = !name.empty() && SSL_set1_host(ssl.get(), name.c_str()) == 1 &&
          SSL_set_tlsext_host_name(ssl.get(), name.c_str()) == 1;
  }
  if (!set) return fail_internal(ErrorCode::kUpstream, fmt::format("\"{}\" is not a TLS server name", name));

  if (auto found = trust->sessions.find(name); found != trust->sessions.end() && found->second) {
    SSL_set_session(ssl.get(), found->second.get());
    // A TLS 1.3 ticket is used once (RFC 8446 C.4); the server sends the next one.
    if (SSL_SESSION_get_protocol_version(found->second.get()) >= TLS1_3_VERSION) trust->sessions.erase(found);
  }
  return ssl;
}

}  // namespace weir::io::net
