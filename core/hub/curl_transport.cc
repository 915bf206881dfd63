// SPDX-License-Identifier: Apache-2.0
#include "core/hub/curl_transport.h"

#include <curl/curl.h>

#include <cerrno>
#include <new>
#include <utility>

#include "core/hub/text.h"

namespace hubfs {

struct CurlTransport::Exchange {
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  CurlReceiver* receiver = nullptr;
  std::string host;
  char error_text[CURL_ERROR_SIZE] = {};
};

namespace {

constexpr long kBufferBytes = 512L * 1024L;  // what 7.88 takes at most; fewer system calls per GiB

// A handshake that broke off is the network's fault, a refused certificate is not.
bool is_cut_handshake(std::string_view text) {
  return text.find("SYSCALL") != std::string_view::npos || text.find("reset") != std::string_view::npos ||
         text.find("unexpected eof") != std::string_view::npos;
}

Error cut(const CurlTransport::Exchange& x) {
  return {ErrorKind::kBadContent, x.host + ": the connection was cut before the answer was complete", ECONNRESET};
}

bool is_reused(const CurlTransport::Exchange& x) {
  long connects = 0;
  return curl_easy_getinfo(x.easy, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK && connects == 0;
}

Error error_of(CURLcode code, const CurlTransport::Exchange& x) {
  const std::string words = plain_words(x.error_text[0] != '\0' ? x.error_text : curl_easy_strerror(code), 200);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return {ErrorKind::kUnreachable, x.host + ": the name does not resolve", 0};
    case CURLE_COULDNT_CONNECT:
    case CURLE_INTERFACE_FAILED:
    case CURLE_PROXY:
      return {ErrorKind::kUnreachable, x.host + ": no connection: " + words, 0};
    case CURLE_OPERATION_TIMEDOUT:
      return {ErrorKind::kTimeout, x.host + ": no answer in time", 0};
    case CURLE_SSL_CONNECT_ERROR:
      if (is_cut_handshake(words)) return cut(x);
      [[fallthrough]];
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
      return {ErrorKind::kBadContent, x.host + ": TLS refused: " + words, 0};
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      // A proxy that does not let us through; libcurl has no code of its own for it.
      if (words.starts_with("CONNECT tunnel failed")) {
        return {ErrorKind::kUnreachable, x.host + ": the proxy refuses: " + words, 0};
      }
      return cut(x);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      // On a connection that served before: bytes left over from the answer before, which a fresh one will not have.
      if (is_reused(x)) return cut(x);
      return {ErrorKind::kBadContent, x.host + ": no HTTP answer: " + words, 0};
    case CURLE_OUT_OF_MEMORY:  // also libcurl's word for a header line of more than 100 KiB
      return {ErrorKind::kBadContent, x.host + ": a head too large, or no memory for it", 0};
    default:
      return {ErrorKind::kBadContent, x.host + ": unusable answer: " + words, 0};
  }
}

template <typename Value>
void set(CURL* easy, CURLoption option, Value value) {
  // Fails only for options that this libcurl was built without, and on lack of memory, which ends the request itself.
  (void)curl_easy_setopt(easy, option, value);
}

std::size_t on_header_line(char* data, std::size_t size, std::size_t count, void* user) noexcept {
  const std::size_t bytes = size * count;
  return static_cast<CurlReceiver*>(user)->on_header_line(std::string_view(data, bytes)) ? bytes : 0;
}

std::size_t on_body_bytes(char* data, std::size_t size, std::size_t count, void* user) noexcept {
  const std::size_t bytes = size * count;
  return static_cast<CurlReceiver*>(user)->on_body_bytes(std::as_bytes(std::span(data, bytes))) ? bytes : 0;
}

int on_connected(void* user, char*, char*, int, int) noexcept {
  static_cast<CurlReceiver*>(user)->on_connected();
  return CURL_PREREQFUNC_OK;
}

}  // namespace

CurlTransport::CurlTransport(const HttpLoopOptions& options) : user_agent_(options.user_agent) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  multi_ = ready == CURLE_OK ? curl_multi_init() : nullptr;
  if (multi_ == nullptr) throw std::bad_alloc();
  (void)curl_multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  (void)curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options.max_connections));
  (void)curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(options.max_connections));
  (void)curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(options.max_connections_per_host));
}

CurlTransport::~CurlTransport() {
  for (void* easy : spare_) curl_easy_cleanup(easy);
  (void)curl_multi_cleanup(multi_);
}

CurlTransport::Exchange* CurlTransport::add(const HttpRequest& request, const std::string& host,
                                            CurlReceiver& receiver) {
  auto x = std::make_unique<Exchange>();
  if (spare_.empty()) {
    x->easy = curl_easy_init();
  } else {
    x->easy = spare_.back();
    spare_.pop_back();
  }
  if (x->easy == nullptr) return nullptr;
  x->receiver = &receiver;
  x->host = host;
  set_options(*x, request);
  Exchange* const out = x.release();
  if (curl_multi_add_handle(multi_, out->easy) == CURLM_OK) return out;
  remove(out);
  return nullptr;
}

void CurlTransport::remove(Exchange* exchange) {
  const std::unique_ptr<Exchange> x(exchange);
  (void)curl_multi_remove_handle(multi_, x->easy);
  curl_easy_reset(x->easy);
  curl_slist_free_all(x->headers);
  spare_.push_back(x->easy);
}

void CurlTransport::perform() {
  int running = 0;
  (void)curl_multi_perform(multi_, &running);
}

std::optional<CurlTransport::Finished> CurlTransport::next_finished() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    Exchange* x = nullptr;
    (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &x);
    if (x == nullptr) continue;
    if (code == CURLE_OK) return Finished{x->receiver, {}};
    return Finished{x->receiver, std::unexpected(error_of(code, *x))};
  }
  return std::nullopt;
}

void CurlTransport::poll(std::chrono::milliseconds longest) {
  (void)curl_multi_poll(multi_, nullptr, 0, static_cast<int>(longest.count()), nullptr);
}

void CurlTransport::wake() { (void)curl_multi_wakeup(multi_); }

void CurlTransport::set_options(Exchange& x, const HttpRequest& request) {
  CURL* e = x.easy;
  const auto add_header = [&x](const char* line) { x.headers = curl_slist_append(x.headers, line); };
  for (const std::string& line : request.headers) add_header(line.c_str());
  add_header("Accept-Encoding: identity");
  add_header("Expect:");
  set(e, CURLOPT_PRIVATE, &x);
  set(e, CURLOPT_ERRORBUFFER, &x.error_text[0]);
  set(e, CURLOPT_URL, request.url.c_str());
  set(e, CURLOPT_PROTOCOLS_STR, "http,https");
  set(e, CURLOPT_PATH_AS_IS, 1L);  // signed addresses go out as they came in
  set(e, CURLOPT_FOLLOWLOCATION, 0L);
  // HTTP/2 would put all ranges of a file into one TCP connection, whose window and bandwidth they would then share.
  set(e, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(e, CURLOPT_HTTPHEADER, x.headers);
  set(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);  // a proxy's own answer is not the server's
  if (!user_agent_.empty()) set(e, CURLOPT_USERAGENT, user_agent_.c_str());
  if (request.method == "HEAD") set(e, CURLOPT_NOBODY, 1L);
  if (request.method == "POST") {
    set(e, CURLOPT_POST, 1L);
    set(e, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(e, CURLOPT_POSTFIELDS, request.body.c_str());
  }
  set(e, CURLOPT_NOSIGNAL, 1L);
  set(e, CURLOPT_QUICK_EXIT, 1L);  // a resolver that hangs is left behind, not waited for
  set(e, CURLOPT_BUFFERSIZE, kBufferBytes);
  set(e, CURLOPT_TCP_KEEPALIVE, 1L);
  set(e, CURLOPT_TCP_KEEPIDLE, 60L);
  set(e, CURLOPT_TCP_KEEPINTVL, 15L);
  // Our own clock judges first; libcurl's is the safety net.
  set(e, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()) + 2000L);
  if (!ca_.file.empty()) set(e, CURLOPT_CAINFO, ca_.file.c_str());
  if (!ca_.folder.empty()) set(e, CURLOPT_CAPATH, ca_.folder.c_str());
  set(e, CURLOPT_HEADERFUNCTION, &on_header_line);
  set(e, CURLOPT_HEADERDATA, x.receiver);
  set(e, CURLOPT_WRITEFUNCTION, &on_body_bytes);
  set(e, CURLOPT_WRITEDATA, x.receiver);
  set(e, CURLOPT_PREREQFUNCTION, &on_connected);
  set(e, CURLOPT_PREREQDATA, x.receiver);
}

}  // namespace hubfs
