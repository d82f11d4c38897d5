#include "weir/base/settings_shown.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weir/base/settings.h"

namespace weir {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string shown(std::string_view yaml) {
  auto tree = parse_yaml(yaml);
  return tree ? shown_settings(*tree->root) : tree.error().message;
}

TEST(SettingsShown, KeepsTheFileAndMasksItsSecrets) {
  EXPECT_EQ(shown(R"(# ours
server: { listen: "127.0.0.1:8080", drain_ms: 5000 }
auth:
  keys:
    - name: blue
      key: sk-weir-0123456789
    - { name: "re d", key: "${env:RED}" }
providers:
  - name: openai
    kind: openai
    base_url: https://api.example.com/v1
    api_key: sk-very-secret-1
    headers: { X-Org: org-secret-2, X-Ref: "${file:/run/x}" }
models:
  - name: river
    targets: [{ provider: openai, model: gpt }]
)"),
            R"(server:
  listen: "127.0.0.1:8080"
  drain_ms: 5000
auth:
  keys:
    - name: blue
      key: "***"
    - name: "re d"
      key: "${env:RED}"
providers:
  - name: openai
    kind: openai
    base_url: "https://api.example.com/v1"
    api_key: "***"
    headers:
      X-Org: "***"
      X-Ref: "${file:/run/x}"
models:
  - name: river
    targets:
      - provider: openai
        model: gpt
)");
}

TEST(SettingsShown, WhatNoRowKnowsIsMasked) {
  for (std::string_view yaml :
       {"password: hidden-1", "server: { token: hidden-1 }", "providers: [{ api_key: [hidden-1] }]",
        "providers: [{ api_key: 'a ${env:X} hidden-1}' }]", "providers: [{ headers: { A: hidden-1 } }]",
        "server: [hidden-1]", "providers: [{ headers: { A: [hidden-1] } }]"}) {
    EXPECT_THAT(shown(yaml), Not(HasSubstr("hidden-1"))) << yaml;
  }
}

TEST(SettingsShown, WhatIsShownIsTheSameConfiguration) {
  constexpr std::string_view kText =
      "providers: [{ name: a, kind: openai, base_url: 'http://127.0.0.1:1' }]\n"
      "models: [{ name: m, aliases: [x, 'y-z'], targets: [{ provider: a }] }]\n";
  auto before = parse_settings(kText, {}), after = parse_settings(shown(kText), {});
  ASSERT_TRUE(before.settings && after.settings);
  EXPECT_EQ(*before.settings, *after.settings);
}

}  // namespace
}  // namespace weir
