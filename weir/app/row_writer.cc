#include "weir/app/row_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/base/json_write.h"

namespace weir::app {
namespace {

using store::sqlite::Statement;

constexpr size_t kPendingBytes = 64 << 10;
constexpr size_t kRowsHeld = 1000;

std::string_view name_of(const Statement& statement, int column) {
  const char* name = sqlite3_column_name(statement.handle(), column);
  return name ? name : "";
}

int type_of(const Statement& statement, int column) {
  return sqlite3_column_type(statement.handle(), column);
}

// Bytes as hex digits, everything else as SQLite writes it; nothing for NULL.
std::string cell(const Statement& statement, int column) {
  if (type_of(statement, column) != SQLITE_BLOB) return std::string(statement.text(column));
  std::string hex;
  for (std::byte b : statement.blob(column))
    hex += fmt::format("{:02x}", static_cast<unsigned>(b));
  return hex;
}

size_t characters(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

// -------------------------------------------------------------------------------- TextOutput

bool TextOutput::write(std::string_view text) {
  pending_ += text;
  return pending_.size() < kPendingBytes ? good_ : flush();
}

bool TextOutput::flush() {
  good_ = good_ && std::fwrite(pending_.data(), 1, pending_.size(), file_) == pending_.size() &&
          std::fflush(file_) == 0;
  pending_.clear();
  return good_;
}

// --------------------------------------------------------------------------------- RowWriter

void append_json_row(std::string& out, const Statement& statement, int first) {
  json::Writer writer(out);
  writer.begin_object();
  for (int i = first; i < statement.columns(); ++i) {
    writer.key(name_of(statement, i));
    switch (type_of(statement, i)) {
      case SQLITE_INTEGER:
        writer.value(statement.integer(i));
        break;
      case SQLITE_FLOAT:
        writer.value(sqlite3_column_double(statement.handle(), i));
        break;
      case SQLITE_NULL:
        writer.null();
        break;
      default:
        writer.value(cell(statement, i));
    }
  }
  writer.end_object();
  out += '\n';
}

// RFC 4180: quotes where they are needed, doubled inside.
void append_csv_cell(std::string& out, std::string_view text) {
  if (text.find_first_of(",\"\r\n") == text.npos) {
    out += text;
    return;
  }
  out += '"';
  for (char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

void RowWriter::append_csv(const Statement& statement) {
  for (int i = 0; i < statement.columns(); ++i) {
    if (i > 0) line_ += ',';
    append_csv_cell(line_, cell(statement, i));
  }
  line_ += "\r\n";
}

void RowWriter::begin(const Statement& statement) {
  begun_ = true;
  for (int i = 0; i < statement.columns(); ++i) {
    std::string name(name_of(statement, i));
    size_t width = characters(name);
    columns_.push_back({std::move(name), width});
  }
  if (format_ != RowFormat::kCsv) return;
  for (const Column& column : columns_) {
    if (&column != &columns_.front()) line_ += ',';
    append_csv_cell(line_, column.name);
  }
  line_ += "\r\n";
}

bool RowWriter::row(const Statement& statement) {
  line_.clear();
  if (!begun_) begin(statement);
  if (format_ == RowFormat::kTable) return hold(statement);
  if (format_ == RowFormat::kJson)
    append_json_row(line_, statement);
  else
    append_csv(statement);
  return out_.write(line_);
}

bool RowWriter::end(const Statement& statement) {
  line_.clear();
  if (!begun_) begin(statement);
  if (format_ == RowFormat::kTable && !widths_known_) return write_held() && out_.flush();
  return out_.write(line_) && out_.flush();
}

// ------------------------------------------------------------------------------------- table

bool RowWriter::hold(const Statement& statement) {
  std::vector<std::string> cells;
  for (int i = 0; i < statement.columns(); ++i) {
    Column& column = columns_[static_cast<size_t>(i)];
    cells.push_back(cell(statement, i));
    // One line a row: what would break it is shown as a space.
    std::ranges::replace_if(cells.back(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    if (widths_known_) continue;
    column.width = std::max(column.width, characters(cells.back()));
    int type = type_of(statement, i);
    column.numbers =
        column.numbers && (type == SQLITE_INTEGER || type == SQLITE_FLOAT || type == SQLITE_NULL);
  }
  if (widths_known_) {
    append_cells(cells);
    return out_.write(line_);
  }
  held_.push_back(std::move(cells));
  return held_.size() < kRowsHeld || write_held();
}

bool RowWriter::write_held() {
  widths_known_ = true;
  std::vector<std::string> names;
  for (const Column& column : columns_)
    names.push_back(column.name);
  append_cells(names);
  for (const auto& cells : held_)
    append_cells(cells);
  held_.clear();
  return out_.write(line_);
}

void RowWriter::append_cells(const std::vector<std::string>& cells) {
  for (size_t i = 0; i < cells.size(); ++i) {
    const Column& column = columns_[i];
    size_t width = characters(cells[i]);
    std::string pad(column.width > width ? column.width - width : 0, ' ');
    if (i > 0) line_ += "  ";
    if (column.numbers)
      line_ += pad + cells[i];
    else if (i + 1 < cells.size())
      line_ += cells[i] + pad;
    else
      line_ += cells[i];
  }
  line_ += '\n';
}

}  // namespace weir::app
