// SPDX-License-Identifier: Apache-2.0
//
// Stands before libc's getaddrinfo for this program: names that begin with "hang" take three seconds to fail, whatever
// the network of the machine is like.
#include <dlfcn.h>
#include <netdb.h>

#include <chrono>
#include <string_view>
#include <thread>

extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  if (node != nullptr && std::string_view(node).starts_with("hang")) {
    std::this_thread::sleep_for(std::chrono::seconds(3));
    return EAI_AGAIN;
  }
  if (node != nullptr && std::string_view(node).ends_with(".invalid")) return EAI_NONAME;
  using Resolve = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const auto kNext = reinterpret_cast<Resolve>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  return kNext(node, service, hints, result);
}
