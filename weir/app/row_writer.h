// RowWriter: the rows of an SQL statement as text on standard output, in one of the shapes that `weir events`
// offers. Rows are written as they come; a table holds the first thousand back to know its columns' widths.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "weir/store/sqlite/database.h"

namespace weir::app {

/// Text to a file in large pieces. What cannot be written (the reader of a pipe left) ends it quietly.
class TextOutput {
 public:
  explicit TextOutput(std::FILE* file) : file_(file) {}
  /// False: nobody reads any more.
  bool write(std::string_view text);
  bool flush();

 private:
  std::FILE* file_;
  std::string pending_;
  bool good_ = true;
};

enum class RowFormat { kTable, kJson, kCsv };  // kJson: one object a line

class RowWriter {
 public:
  RowWriter(TextOutput& out, RowFormat format) : out_(out), format_(format) {}
  /// The row the statement stands at. False: nobody reads any more.
  bool row(const store::sqlite::Statement& statement);
  /// After the last row; `statement` gives the column names where there was no row.
  bool end(const store::sqlite::Statement& statement);

 private:
  void begin(const store::sqlite::Statement& statement);
  void append_csv(const store::sqlite::Statement& statement);
  bool hold(const store::sqlite::Statement& statement);
  bool write_held();
  void append_cells(const std::vector<std::string>& cells);

  struct Column {
    std::string name;
    size_t width = 0;     // in characters
    bool numbers = true;  // every value so far: to the right
  };
  TextOutput& out_;
  const RowFormat format_;
  bool begun_ = false;
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> held_;
  bool widths_known_ = false;
  std::string line_;
};

/// The row as one JSON object and a newline, from column `first` on.
void append_json_row(std::string& out, const store::sqlite::Statement& statement, int first = 0);

}  // namespace weir::app
