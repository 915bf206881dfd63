// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/naming.h"

#include <gtest/gtest.h>

#include "tests/support/temp_cache.h"

namespace hubfs {
namespace {

using test::repo_key;
using Names = std::map<std::string, std::string>;

// Repo to remembered name, in the order in which they ask.
Names names_of(const std::vector<std::pair<std::string, std::string>>& shelf) {
  std::vector<NameRequest> requests;
  for (const auto& [repo, remembered] : shelf) requests.push_back({repo_key("model/" + repo), remembered});
  Names names;
  for (const auto& [key, name] : give_names(requests)) names[key.id.text()] = name;
  return names;
}

TEST(Naming, EveryoneAloneGetsTheBareName) {
  EXPECT_EQ(names_of({}), Names{});
  EXPECT_EQ(names_of({{"a/x", ""}, {"b/y", ""}, {"z", ""}}), (Names{{"a/x", "x"}, {"b/y", "y"}, {"z", "z"}}));
}

TEST(Naming, FirstOrgInByteOrderGetsTheBareName) {
  const Names expected{{"B/x", "x"}, {"a/x", "x~a"}, {"c/x", "x~c"}};
  EXPECT_EQ(names_of({{"c/x", ""}, {"a/x", ""}, {"B/x", ""}}), expected);
  EXPECT_EQ(names_of({{"a/x", ""}, {"B/x", ""}, {"c/x", ""}}), expected);
}

TEST(Naming, WithoutAnOrgComesFirstOrIsCalledUnderscore) {
  EXPECT_EQ(names_of({{"a/x", ""}, {"x", ""}}), (Names{{"x", "x"}, {"a/x", "x~a"}}));
  EXPECT_EQ(names_of({{"a/x", "x"}, {"x", ""}}), (Names{{"x", "x~_"}, {"a/x", "x"}}));
}

TEST(Naming, RememberedNamesStayWhoeverComes) {
  EXPECT_EQ(names_of({{"a/x", ""}, {"z/x", "x"}}), (Names{{"a/x", "x~a"}, {"z/x", "x"}}));
  EXPECT_EQ(names_of({{"z/x", "x"}, {"a/x", "x~a"}}), (Names{{"a/x", "x~a"}, {"z/x", "x"}}));
}

TEST(Naming, NamesStayWhenTheOneWithTheBareNameLeaves) {
  EXPECT_EQ(names_of({{"b/x", "x~b"}}), (Names{{"b/x", "x~b"}}));
  EXPECT_EQ(names_of({{"b/x", "x~b"}, {"c/x", ""}}), (Names{{"b/x", "x~b"}, {"c/x", "x"}}));
}

TEST(Naming, RememberedNameOfAnotherRepoIsNotGivenToANewcomer) {
  EXPECT_EQ(names_of({{"a/x", ""}, {"b/old-x", "x"}}), (Names{{"a/x", "x~a"}, {"b/old-x", "x"}}));
}

TEST(Naming, OfTwoThatRememberTheSameNameTheFirstKeepsIt) {
  EXPECT_EQ(names_of({{"b/x", "x"}, {"a/x", "x"}}), (Names{{"b/x", "x"}, {"a/x", "x~a"}}));
}

}  // namespace
}  // namespace hubfs
