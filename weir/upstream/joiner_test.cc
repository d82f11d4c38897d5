// Two halves of an answer become one: no word lost, none twice, however the second half comes in pieces.
#include "weir/upstream/joiner.h"

#include <gtest/gtest.h>

#include <string>

namespace weir::upstream {
namespace {

using Kind = Joiner::Kind;

// What is sent on when `more` comes in pieces of `piece` bytes; "DIVERGED" when it cannot be joined.
std::string joined(Kind kind, std::string_view sent, std::string_view more, size_t piece) {
  Joiner joiner(kind, sent);
  std::string out;
  for (size_t at = 0; at < more.size(); at += piece)
    if (!joiner.take(more.substr(at, piece), out)) return "DIVERGED";
  return joiner.finish(out) ? out : "DIVERGED";
}

void expect(Kind kind, std::string_view sent, std::string_view more, std::string_view sent_on) {
  for (size_t piece = 1; piece <= std::max<size_t>(more.size(), 1); ++piece)
    EXPECT_EQ(joined(kind, sent, more, piece), sent_on) << more << " in pieces of " << piece;
}

constexpr std::string_view kSent = "The quick brown fox jumps over the lazy";

TEST(Joiner, WhoGoesOnIsBelieved) {
  expect(Kind::kGoesOn, kSent, " dog.", " dog.");
  expect(Kind::kGoesOn, "la la la ", "la la la ", "la la la ");
  expect(Kind::kGoesOn, "", "Hello", "Hello");
  expect(Kind::kGoesOn, kSent, "", "");
}

TEST(Joiner, AnEchoOfWhatWasShownIsLeftOut) {
  expect(Kind::kGoesOn, kSent, std::string(kSent) + " dog.", " dog.");
  expect(Kind::kGoesOn, std::string(kSent) + " ", std::string(kSent) + " dog.", "dog.");
  expect(Kind::kGoesOn, kSent, "The quick brown cat, too.", "The quick brown cat, too.");
  expect(Kind::kGoesOn, kSent, "The quick", "The quick");
}

TEST(Joiner, WhiteSpaceThatWasNotShownDoesNotComeTwice) {
  expect(Kind::kGoesOn, "one two ", " three", "three");
  expect(Kind::kGoesOn, "one two ", "three", "three");
  expect(Kind::kGoesOn, "one:\n\n", "\n\n- two", "- two");
  expect(Kind::kGoesOn, "one:\n\n", "- two", "- two");
  expect(Kind::kGoesOn, "one\n", "\n\ntwo", "\ntwo");
}

TEST(Joiner, ARepeatedEndIsLeftOut) {
  expect(Kind::kMayRepeat, kSent, "over the lazy dog.", " dog.");
  expect(Kind::kMayRepeat, kSent, "jumps over the lazy dog sleeps.", " dog sleeps.");
}

TEST(Joiner, ARepeatedAnswerIsLeftOut) {
  expect(Kind::kMayRepeat, kSent, "The quick brown fox jumps over the lazy dog.", " dog.");
  expect(Kind::kMayRepeat, kSent, kSent, "");
  expect(Kind::kMayRepeat, " Yes,", " Yes, sir.", " sir.");  // however little that was
  expect(Kind::kMayRepeat, " Yes,", "Yes, sir.", " sir.");
  expect(Kind::kMayRepeat, " Yes", " Yes", "");
  expect(Kind::kMayRepeat, kSent, "The quick brown", "");  // it had nothing to add
}

TEST(Joiner, WhatOnlyLooksLikeARepetitionStays) {
  expect(Kind::kMayRepeat, kSent, "The quick brown cat too.", " The quick brown cat too.");
  expect(Kind::kMayRepeat, kSent, "lazy dog.", " lazy dog.");  // a word may come twice
  expect(Kind::kMayRepeat, "no, no, no, ", "no, yes.", "no, yes.");
}

TEST(Joiner, WordsDoNotGrowTogether) {
  expect(Kind::kMayRepeat, kSent, "dog.", " dog.");
  expect(Kind::kMayRepeat, kSent, " dog.", " dog.");
  expect(Kind::kMayRepeat, kSent, ", a dog.", ", a dog.");
  expect(Kind::kMayRepeat, "一只敏捷的", "狐狸", "狐狸");
}

TEST(Joiner, ARepetitionIsFoundInALongText) {
  std::string sent;
  for (int i = 0; i < 3000; ++i)
    sent += " " + std::to_string(i);
  EXPECT_EQ(joined(Kind::kMayRepeat, sent, " 2996 2997 2998 2999 3000 3001", 3), " 3000 3001");
  EXPECT_EQ(joined(Kind::kMayRepeat, sent, sent + " 3000", 7), " 3000");
}

TEST(Joiner, AnAnswerAnewMustSayTheSame) {
  expect(Kind::kAnew, kSent, std::string(kSent) + " dog.", " dog.");
  expect(Kind::kAnew, kSent, "The quick brown cat", "DIVERGED");
  expect(Kind::kAnew, kSent, "The quick", "DIVERGED");
  expect(Kind::kAnew, "", "Hello", "Hello");
}

}  // namespace
}  // namespace weir::upstream
