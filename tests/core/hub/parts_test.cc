// SPDX-License-Identifier: Apache-2.0
//
// The small parts of core/hub, each alone.
#include <gtest/gtest.h>

#include "core/hub/address_book.h"
#include "core/hub/admission.h"
#include "core/hub/deadlines.h"
#include "core/hub/head_parser.h"
#include "core/hub/json_reader.h"
#include "core/hub/link_header.h"
#include "core/hub/text.h"
#include "core/hub/timer_queue.h"

namespace hubfs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(LinkHeader, FindsNext) {
  EXPECT_EQ(next_link("<https://h/a?b=1,2;3>; rel=\"next\""), "https://h/a?b=1,2;3");
  EXPECT_EQ(next_link("</p>; rel=prev, </n>; title=\"a, b; c\"; REL = next"), "/n");
  EXPECT_EQ(next_link("</n>;rel=\"last next\""), "/n");
  EXPECT_EQ(next_link("</n>;rel=next;title=x, </m>;rel=next"), "/n");
  for (const char* none : {"", "<", "</n>", "</n>; rel=nextish", "</n; rel=next", ";;;,,,", "</n>;;;", "</n> rel=\"nex",
                           "</n>; rel", "</n>; title=\"rel=next", "rel=next"}) {
    EXPECT_EQ(next_link(none), std::nullopt) << none;
  }
}

TEST(Lifetime, IsReadFromSignedAddresses) {
  const auto now = std::chrono::sys_days(std::chrono::year(2026) / 8 / 20) + std::chrono::hours(10);
  const auto unix_now = std::chrono::duration_cast<seconds>(now.time_since_epoch()).count();
  EXPECT_EQ(lifetime_of("https://c/x?Expires=" + std::to_string(unix_now + 90) + "&Signature=s", now), seconds(90));
  EXPECT_EQ(lifetime_of("https://c/x?Expires=" + std::to_string(unix_now - 90), now), seconds(0));
  EXPECT_EQ(lifetime_of("https://c/x?X-Amz-Date=20260820T095900Z&X-Amz-Expires=3600&x=y", now), seconds(3540));
  EXPECT_EQ(lifetime_of("https://c/x?X-Amz-Date=20260820T085900Z&X-Amz-Expires=3600", now), seconds(0));
  EXPECT_EQ(lifetime_of("https://c/x?Expires=9999999999", now), seconds(9'999'999'999 - unix_now));
  EXPECT_GT(lifetime_of("https://c/x?X-Amz-Date=99990820T095900Z&X-Amz-Expires=3600", now), std::chrono::hours(24 * 365 * 7000));
  for (const char* unknown : {"https://c/x", "https://c/x?", "https://c/x?Expires=", "https://c/x?Expires=abc",
                              "https://c/x?Expires=99999999999999999999", "https://c/x?Expires=999999999999999",
                              "https://c/x?X-Amz-Expires=5", "https://c/x?X-Amz-Date=20261350T000000Z&X-Amz-Expires=5",
                              "https://c/Expires=5", "https://c/x?&&&=&"}) {
    EXPECT_EQ(lifetime_of(unknown, now), std::nullopt) << unknown;
  }
}

TEST(AddressBook, RemembersForgetsAndExpires) {
  AddressBook book(2);
  const auto now = AddressBook::Clock::now();
  book.remember("a", {"http://c/a", {}}, now);
  book.remember("b", {"http://c/b", {}}, now);
  ASSERT_NE(book.find("a", now), nullptr);
  book.remember("c", {"http://c/c", {}}, now);
  EXPECT_EQ(book.find("b", now), nullptr) << "the least recently used one went";
  EXPECT_NE(book.find("a", now), nullptr);
  book.forget("a", "http://other");
  EXPECT_NE(book.find("a", now), nullptr);
  book.forget("a", "http://c/a");
  EXPECT_EQ(book.find("a", now), nullptr);
  EXPECT_NE(book.find("c", now + seconds(500)), nullptr);
  EXPECT_EQ(book.find("c", now + seconds(601)), nullptr);
  book.remember("d", {"http://c/d?Expires=5", {}}, now);
  EXPECT_EQ(book.find("d", now), nullptr) << "expired before it came";
  book.remember("d", {"http://c/d1", {}}, now);
  book.remember("d", {"http://c/d2", {}}, now);
  EXPECT_EQ(book.find("d", now)->url, "http://c/d2");
}

TEST(Admission, BoundsHostsAndTotalAndTakesTurns) {
  Admission admission(2, 3);
  for (const std::uint64_t id : {1U, 2U, 3U}) admission.enqueue("a", id);
  for (const std::uint64_t id : {11U, 12U, 13U}) admission.enqueue("b", id);
  EXPECT_EQ(admission.next(), 1U);
  EXPECT_EQ(admission.next(), 11U);
  EXPECT_EQ(admission.next(), 2U);
  EXPECT_EQ(admission.next(), std::nullopt);
  admission.release("b");
  EXPECT_EQ(admission.next(), 12U) << "a has its two";
  admission.drop("a", 3);
  admission.drop("b", 13);
  admission.release("a");
  admission.release("a");
  admission.release("b");
  EXPECT_EQ(admission.next(), std::nullopt);
  admission.enqueue("a", 4);
  EXPECT_EQ(admission.next(), 4U);
}

TEST(Admission, DroppedOnesInTheMiddleAreSkipped) {
  Admission admission(1, 1);
  for (std::uint64_t id = 1; id <= 5; ++id) admission.enqueue("a", id);
  admission.drop("a", 3);
  admission.drop("a", 2);
  std::vector<std::uint64_t> order;
  while (const auto id = admission.next()) {
    order.push_back(*id);
    admission.release("a");
  }
  EXPECT_EQ(order, (std::vector<std::uint64_t>{1, 4, 5}));
}

TEST(Deadlines, JudgeEachPhaseByItsOwnLimit) {
  HttpRequest request;
  request.connect_timeout = milliseconds(100);
  request.idle_timeout = milliseconds(50);
  request.min_speed_window = milliseconds(1000);
  const auto start = Deadlines::Clock::now();
  const auto at = [&](int ms) { return start + milliseconds(ms); };
  Deadlines d(request, start);
  EXPECT_EQ(d.next(), std::nullopt) << "waiting for a connection is free";
  d.admitted(at(500));
  EXPECT_EQ(d.next(), at(600));
  EXPECT_FALSE(d.overdue(at(599)));
  EXPECT_TRUE(d.overdue(at(600)));
  d.connected(at(550));
  EXPECT_EQ(d.next(), at(600));
  EXPECT_TRUE(d.overdue(at(600)));
  for (int ms = 590; ms <= 1570; ms += 20) d.received(1, at(ms));
  EXPECT_EQ(d.next(), at(1590));
  EXPECT_FALSE(d.overdue(at(1589)));
  EXPECT_TRUE(d.overdue(at(1590))) << "49 bytes in a second";
  d.received(5000, at(1600));
  EXPECT_FALSE(d.overdue(at(1600)));
  EXPECT_FALSE(d.overdue(at(1649)));
  EXPECT_TRUE(d.overdue(at(1650)));
}

TEST(HeadParser, ReadsTheLastAnswerOnly) {
  HeadParser parser(1000);
  using Event = HeadParser::Event;
  for (const char* line : {"HTTP/1.1 100 Continue\r\n", "X-A: 1\r\n", "\r\n", "HTTP/1.1 206 Partial\r\n", "X-B:2\r\n",
                           " folded: 3\r\n", ":none\r\n", "\r:none\r\n", "nothing\r\n", "x-b: 4 \r\n", "HTTP/x: 5\r\n"}) {
    EXPECT_EQ(parser.add_line(line), Event::kMore);
  }
  EXPECT_EQ(parser.add_line("\r\n"), Event::kComplete);
  EXPECT_EQ(parser.head().status, 206);
  EXPECT_EQ(parser.head().headers.size(), 2U);
  EXPECT_EQ(parser.head().header("x-b"), "4");
  EXPECT_EQ(parser.add_line("X-Late: 1\r\n"), Event::kMore);
  EXPECT_EQ(parser.head().header("x-late"), "");
  EXPECT_EQ(parser.add_line(std::string(1000, 'x')), Event::kTooLarge);
}

TEST(TimerQueue, WorkMayChangeTheQueue) {
  TimerQueue timers;
  const auto now = TimerQueue::Clock::now();
  std::string order;
  TimerQueue::Id later = 0;
  timers.add(now, [&] {
    order += "a";
    timers.cancel(later);
    timers.add(now, [&] { order += "n"; });
  });
  later = timers.add(now + milliseconds(1), [&] { order += "x"; });
  timers.add(now + milliseconds(2), [&] { order += "b"; });
  timers.add(now + milliseconds(90), [&] { order += "z"; });
  const auto never = [] { return false; };
  timers.run_due(now + milliseconds(5), never);
  EXPECT_EQ(order, "ab");
  timers.run_due(now + milliseconds(5), never);
  EXPECT_EQ(order, "abn");
  timers.cancel(4711);
  EXPECT_EQ(timers.next(), now + milliseconds(90));
  timers.clear();
  EXPECT_EQ(timers.next(), std::nullopt);
}

TEST(Text, MakesForeignWordsHarmless) {
  EXPECT_EQ(plain_words("a\x1b\n\xc3\xa9z", 100), "a  ??z");
  EXPECT_EQ(plain_words("abcdef", 3), "abc");
  EXPECT_EQ(escaped_name("a\n\"\\\xc3\xa9"), "a\\x0a\\x22\\x5c\xc3\xa9");
  EXPECT_EQ(escaped_name("abcdef", 3), "abc…");
  EXPECT_EQ(parse_u64("18446744073709551615"), 18446744073709551615ULL);
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616"})
    EXPECT_FALSE(parse_u64(bad)) << bad;
}

}  // namespace
}  // namespace hubfs
