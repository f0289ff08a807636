#include "app/import_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace chaveiro::app {
namespace {

using testing::Contains;
using testing::Field;

constexpr std::string_view good =
    R"({"key_type":"CPF","key":"52998224725","account":{"ispb":"12345678","branch":"0001","number":"0007654321","type":"CACC",)"
    R"("opening_date":"2010-01-10T03:00:00Z"},"owner":{"type":"NATURAL_PERSON","tax_id":"52998224725","name":"João Silva","trade_name":null},)"
    R"("creation_date":"2020-01-10T10:00:00.000Z","key_ownership_date":"2019-12-10T10:00:00.000Z","request_id":"a946d533-7f22-42a5-9a9b-e87cd55c0f4d"})";

std::vector<std::string> faulty_fields(const Result<ImportLine>& line) {
  std::vector<std::string> fields;
  if (line) return fields;
  for (const FieldViolation& violation : line.error().violations) fields.push_back(violation.field);
  return fields;
}

std::string with(std::string from, std::string to) {
  std::string text(good);
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(ImportLine, reads_every_field) {
  const Result<ImportLine> line = parse_json_line(good, {});
  ASSERT_TRUE(line) << line.error().message;
  EXPECT_EQ(line->key->value(), "52998224725");
  EXPECT_EQ(line->account.holder.name, "João Silva");
  EXPECT_EQ(line->account.branch, "0001");
  EXPECT_EQ(to_rfc3339(*line->created_at), "2020-01-10T10:00:00.000Z");
  EXPECT_EQ(to_string(*line->request_id), "a946d533-7f22-42a5-9a9b-e87cd55c0f4d");
  EXPECT_EQ(line->account.id,
            directory::account_id_of(line->account.ispb, "0001", "0007654321", directory::AccountType::cacc));
}

TEST(ImportLine, makes_an_account_alone_where_there_is_no_key) {
  const std::string text = with(R"("key_type":"CPF","key":"52998224725",)", "");
  const Result<ImportLine> line = parse_json_line(text, {});
  ASSERT_TRUE(line) << line.error().message;
  EXPECT_FALSE(line->key);
}

TEST(ImportLine, names_every_faulty_field_at_once) {
  EXPECT_THAT(faulty_fields(parse_json_line(with("12345678", "1234"), {})), Contains("account.ispb"));
  EXPECT_THAT(faulty_fields(parse_json_line(with(R"("CACC")", R"("XXXX")"), {})), Contains("account.type"));
  EXPECT_THAT(faulty_fields(parse_json_line(with(R"("branch")", R"("brunch")"), {})), Contains("account.brunch"));
  EXPECT_THAT(faulty_fields(parse_json_line(with(R"("0007654321")", "7654321"), {})), Contains("account.number"));
  EXPECT_THAT(faulty_fields(parse_json_line(with("2010-01-10T03:00:00Z", "2010-13-10T03:00:00Z"), {})),
              Contains("account.opening_date"));
  EXPECT_THAT(faulty_fields(parse_json_line(with(R"("key":"52998224725",)", ""), {})), Contains("key"));
  EXPECT_THAT(faulty_fields(parse_json_line(with(R"("key_type":"CPF",)", ""), {})), Contains("key_type"));
  EXPECT_THAT(faulty_fields(parse_json_line(with("2019-12-10", "2021-12-10"), {})), Contains("key_ownership_date"));
  EXPECT_THAT(faulty_fields(parse_json_line(with(R"("key":"52998224725")", R"("key":"11144477735")"), {})),
              Contains("key"));
  const auto several = faulty_fields(parse_json_line(with(R"("CACC")", R"("XXXX")").replace(13, 3, "CPX"), {}));
  EXPECT_THAT(several, Contains("account.type"));
  EXPECT_THAT(several, Contains("key_type"));
}

TEST(ImportLine, refuses_what_is_not_one_object) {
  for (const char* text : {"", "[]", "1", "{", R"({"account":1})", R"({"account":{"ispb":{}}})", "{}", "{}{}",
                           R"({"a":[[[[[[1]]]]]]})", "\xff\xfe"}) {
    EXPECT_FALSE(parse_json_line(text, {})) << text;
  }
  EXPECT_FALSE(parse_json_line(std::string(import_line_bytes_max + 1, ' '), {}));
}

TEST(ImportLine, takes_a_blocked_key_only_with_its_order) {
  const auto with_status = [](const std::string& more) {
    return parse_json_line(with(R"("request_id")", more + R"("request_id")"), {});
  };
  const auto blocked = with_status(R"("status":"BLOCKED","block_order":"order 7",)");
  ASSERT_TRUE(blocked) << blocked.error().message;
  EXPECT_EQ(blocked->status, directory::EntryStatus::blocked);
  EXPECT_EQ(blocked->block_order, "order 7");
  EXPECT_EQ(with_status(R"("status":"ACTIVE",)")->status, directory::EntryStatus::active);
  EXPECT_THAT(faulty_fields(with_status(R"("status":"BLOCKED",)")), Contains("block_order"));
  for (const char* status : {"DELETED", "PENDING", "blocked", ""})
    EXPECT_THAT(faulty_fields(with_status(R"("status":")" + std::string(status) + R"(",)")), Contains("status"));
  EXPECT_THAT(
      faulty_fields(parse_json_line(with(R"("key_type":"CPF","key":"52998224725",)", R"("status":"ACTIVE",)"), {})),
      Contains("status"));
}

TEST(ImportLine, checks_digits_unless_told_not_to) {
  std::string text(good);
  for (std::size_t at; (at = text.find("52998224725")) != std::string::npos;) text.replace(at, 11, "11122233300");
  EXPECT_THAT(faulty_fields(parse_json_line(text, {})), Contains("key"));
  EXPECT_TRUE(parse_json_line(text, {.check_digits = false}));
}

directory::Entry some_entry() {
  ImportLine line = *parse_json_line(good, {});
  directory::Entry entry{.id = {},
                         .key = *line.key,
                         .account = line.account,
                         .status = directory::EntryStatus::active,
                         .request_id = *line.request_id};
  entry.account.holder.name = "Padaria \"São João\", filial; 2\xC2\xAA";
  entry.account.holder.type = directory::PersonType::legal;
  entry.account.holder.tax_id = "11222333000181";
  entry.account.holder.trade_name = "A,B";
  entry.key = *directory::Key::parse(directory::KeyType::email, "x@y.com", {});
  entry.created_at = *line.created_at;
  entry.owned_since = *line.owned_since;
  return entry;
}

void expect_same(const Result<ImportLine>& line, const directory::Entry& entry) {
  ASSERT_TRUE(line) << line.error().message;
  EXPECT_EQ(line->key, entry.key);
  EXPECT_EQ(line->account.holder, entry.account.holder);
  EXPECT_EQ(line->account.id, entry.account.id);
  EXPECT_EQ(line->created_at, entry.created_at);
  EXPECT_EQ(line->owned_since, entry.owned_since);
  EXPECT_EQ(line->request_id, entry.request_id);
  EXPECT_EQ(line->status, entry.status);
  EXPECT_EQ(line->block_order, entry.block_order);
}

TEST(ImportLine, reads_what_export_writes_in_both_formats) {
  directory::Entry entry = some_entry();
  const Result<CsvColumns> columns = parse_csv_header(csv_header());
  ASSERT_TRUE(columns);
  for (int round = 0; round < 2; ++round) {  // active, then blocked
    expect_same(parse_json_line(to_json_line(entry), {}), entry);
    expect_same(parse_csv_line(to_csv_line(entry), *columns, {}), entry);
    entry.status = directory::EntryStatus::blocked;
    entry.block_order = "order 7, \"urgent\"";
  }
}

TEST(ImportCsv, takes_columns_in_any_order_and_names_those_that_are_wrong) {
  EXPECT_TRUE(parse_csv_header(
      "owner.name,owner.tax_id,owner.type,account.opening_date,account.type,account.number,account.ispb"));
  EXPECT_FALSE(parse_csv_header("owner.name"));
  EXPECT_FALSE(parse_csv_header(csv_header() + ",colour"));
  EXPECT_FALSE(parse_csv_header(csv_header() + ",key"));
  EXPECT_TRUE(parse_csv_header("\xEF\xBB\xBF" + csv_header()));
}

TEST(ImportLine, names_the_field_that_is_no_utf_8_or_beyond_range) {
  EXPECT_FALSE(parse_json_line(with("João", "Jo\xff\xfe"), {})) << "JSON is UTF-8, or no JSON";
  const CsvColumns columns = *parse_csv_header(csv_header());
  directory::Entry entry = some_entry();
  entry.account.holder.name = "Jo\xff\xfe";
  EXPECT_THAT(faulty_fields(parse_csv_line(to_csv_line(entry), columns, {})), Contains("owner.name"));
  entry = some_entry();
  entry.block_order = "order \xff";
  EXPECT_THAT(faulty_fields(parse_csv_line(to_csv_line(entry), columns, {})), Contains("block_order"));
  for (const char* date :
       {"0000-01-01T00:00:00Z", "99999-01-01T00:00:00Z", "2020-02-30T00:00:00Z", "9999-12-31T23:59:59Z"})
    EXPECT_THAT(faulty_fields(parse_json_line(with("2010-01-10T03:00:00Z", date), {})),
                Contains("account.opening_date"))
        << date;
}

TEST(ImportCsv, splits_records_as_rfc_4180_says) {
  EXPECT_EQ(*split_csv(R"(a,"b,""c""",,d)"), (std::vector<std::string>{"a", "b,\"c\"", "", "d"}));
  for (const char* text : {R"("a)", R"(a"b)", R"("a"b,c)", R"("a""b)"}) EXPECT_FALSE(split_csv(text)) << text;
}

}  // namespace
}  // namespace chaveiro::app
