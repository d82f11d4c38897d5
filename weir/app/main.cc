// The program: one binary, one command a job.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "weir/app/accounts_command.h"
#include "weir/app/budgets_command.h"
#include "weir/app/embedder.h"
#include "weir/app/events_command.h"
#include "weir/app/mock/server.h"
#include "weir/app/models_command.h"
#include "weir/app/serve.h"
#include "weir/app/sim/command.h"
#include "weir/app/usage_command.h"

namespace {

void add_access(CLI::App& command, weir::app::AdminAccess& access) {
  command.add_option("--url", access.url, "of the running weir")->capture_default_str()->envname("WEIR_URL");
  command.add_option("--key-file", access.key_file,
                     "file with the key to ask with; left out: WEIR_ADMIN_KEY");
  command.add_option("--ca-file", access.ca_file, "authorities to trust, with https");
}

// weir tenants|teams|users|keys VERB ...
void add_accounts(CLI::App& app, const std::string& kind, const char* what, weir::app::AccountsCommand& c,
                  int& exit_code) {
  auto* command = app.add_subcommand(kind, what);
  command->require_subcommand(1);
  bool keys = kind == "keys";
  auto add_verb = [&](const char* verb, const char* does, bool one) {
    auto* sub = command->add_subcommand(verb, does);
    add_access(*sub, c.access);
    sub->add_flag("--json", c.json, "the answer as it came");
    if (one) sub->add_option("id", c.object)->required();
    sub->callback([&c, &exit_code, kind, verb] {
      c.kind = kind;
      c.verb = verb;
      exit_code = weir::app::run_accounts(c);
    });
    return sub;
  };
  auto add_fields = [&](CLI::App* sub) {
    sub->add_option("--name", c.name);
    if (kind == "users" || keys) sub->add_option("--role", c.roles, "owner, admin, developer ...; '': none");
    if (keys) sub->add_option("--model", c.models, "a name, or the start of one and *; '': every model");
    if (keys) sub->add_option("--expires", c.expires, "2027-01-31T08:00 (UTC)");
    sub->add_option("--limit", c.limits, "requests_per_minute=60, usd_per_minute=0.50, streams=4 ...");
    sub->add_option("--budget", c.budgets, "day|month|total=12.50, or =100000tokens");
  };
  auto add_places = [&](CLI::App* sub) {
    if (kind != "tenants") sub->add_option("--tenant", c.tenant);
    if (kind == "users" || keys) sub->add_option("--team", c.team);
    if (keys) sub->add_option("--user", c.user);
  };
  add_places(add_verb("list", "all that the key may see", false));
  add_verb("show", "one", true);
  auto* create = add_verb("create", "a new one", false);
  add_fields(create);
  add_places(create);
  create->get_option("--name")->required();
  if (!keys) create->add_option("--id", c.id, "left out: one is made");
  auto* update = add_verb("update", "changes what is given", true);
  add_fields(update);
  if (kind == "users") update->add_option("--team", c.team);
  update->add_option("--state", c.state)->check(CLI::IsMember({"active", "suspended"}));
  add_verb("delete", "for good", true);
  if (!keys) return;
  add_verb("rotate", "a new secret; the former one stays valid for the overlap", true)
      ->add_option("--overlap", c.overlap_s, "seconds")
      ->capture_default_str();
  add_verb("revoke", "never valid again", true);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("weir: a self-hosted AI gateway and inference optimizer", "weir");
  app.require_subcommand(1);
  int exit_code = 0;

  weir::app::ServeCommand serve;
  auto* serve_command = app.add_subcommand("serve", "run the gateway");
  auto* config = serve_command->add_option("--config", serve.config, "configuration file (YAML)");
  bool use_default = false;
  auto* embedded =
      serve_command->add_flag("--default", use_default, "the embedded default instead of a file");
  embedded->excludes(config);
  serve_command->add_option("--listen", serve.listen, "address of the embedded default")
      ->capture_default_str()
      ->excludes(config);
  serve_command
      ->add_option("--models-dir", serve.models_dir, "folder of local models of the embedded default")
      ->excludes(config);
  serve_command
      ->add_option("--state-dir", serve.state_dir, "where the embedded default keeps its API key and records")
      ->excludes(config);
  serve_command->callback([&] {
    if (serve.config.empty() && !use_default) throw CLI::RequiredError("--config FILE or --default");
    exit_code = weir::app::run_serve(serve);
  });

  std::string check_file;
  bool quick = false;
  auto* check_command =
      app.add_subcommand("check", "check a configuration file: every problem with its line and column");
  check_command->add_option("file", check_file, "configuration file")->required();
  check_command->add_flag("--quick", quick, "do not start the local models");
  check_command->callback([&] { exit_code = weir::app::run_check(check_file, quick); });

  weir::app::EventsCommand events;
  auto* events_command = app.add_subcommand("events", "look into the records of requests");
  events_command->require_subcommand(1);
  auto add_verb = [&](const char* name, const char* what, weir::app::EventsCommand::Verb verb) {
    auto* command = events_command->add_subcommand(name, what);
    auto* place = command->add_option_group("place")->require_option(1);
    place->add_option("--data", events.data, "the data directory");
    place->add_option("--config", events.config, "the configuration file that names it");
    command->callback([&events, &exit_code, verb] {
      events.verb = verb;
      exit_code = weir::app::run_events(events);
    });
    return command;
  };
  using Verb = weir::app::EventsCommand::Verb;
  auto* tail = add_verb("tail", "the last records, a line each", Verb::kTail);
  tail->add_flag("-f,--follow", events.follow, "go on with what comes");
  tail->add_option("-n,--lines", events.lines, "how many")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  tail->add_flag("--json", events.json, "one JSON object a line, with every field");
  auto* query = add_verb("query", "SQL over the table events (docs/events.md)", Verb::kQuery);
  query->add_option("sql", events.sql, "one statement that reads")->required();
  auto* as_json = query->add_flag("--json", events.json, "one JSON object a line");
  query->add_flag("--csv", events.csv, "comma-separated values")->excludes(as_json);
  auto* exported = add_verb("export", "every record, oldest first", Verb::kExport);
  exported->add_option("--format", events.format)
      ->check(CLI::IsMember({"jsonl", "csv"}))
      ->capture_default_str();
  exported->add_option("--since", events.since,
                       "received at or after: 2026-11-21T08:00 (UTC), or 15m, 2h, 7d ago");
  exported->add_option("--until", events.until, "received before");

  weir::app::UsageCommand usage;
  auto* usage_command = app.add_subcommand("usage", "what was used and what it cost (docs/budgets.md)");
  auto* usage_place = usage_command->add_option_group("place")->require_option(1);
  usage_place->add_option("--data", usage.data, "the data directory");
  usage_place->add_option("--config", usage.config, "the configuration file that names it");
  usage_command->add_option("--from", usage.from,
                            "ended at or after (whole hours): 2026-11-21T08:00 (UTC), or 15m, 2h, 7d ago");
  usage_command->add_option("--to", usage.to, "ended before");
  usage_command->add_option("--by", usage.by,
                            "hour, day, tenant, team, key, user, agent, tag, model, provider, price_version; "
                            "several with commas");
  auto* usage_json = usage_command->add_flag("--json", usage.json, "one JSON object a line");
  usage_command->add_flag("--csv", usage.csv, "comma-separated values")->excludes(usage_json);
  usage_command->callback([&] { exit_code = weir::app::run_usage(usage); });

  weir::app::BudgetsCommand budgets;
  auto* budgets_command =
      app.add_subcommand("budgets", "every budget of a running weir and what is spent of it");
  add_access(*budgets_command, budgets.access);
  budgets_command->add_option("--tenant", budgets.tenant, "of this tenant");
  budgets_command->add_flag("--json", budgets.json, "one JSON object a line");
  budgets_command->callback([&] { exit_code = weir::app::run_budgets(budgets); });

  weir::app::ModelsCommand models;
  auto* models_command = app.add_subcommand(
      "models", "what is known of public models: limits, abilities, prices (docs/registry.md)");
  models_command->add_option("name", models.name, "models whose names begin so");
  models_command->add_option("--provider", models.vendor, "of this provider: openai, anthropic, groq ...");
  models_command->add_flag("--json", models.json, "one JSON object a line, with every field");
  models_command->callback([&] { exit_code = weir::app::run_models(models); });

  weir::app::AccountsCommand accounts;
  add_accounts(app, "tenants", "the organisations of a running weir (docs/accounts.md)", accounts, exit_code);
  add_accounts(app, "teams", "teams of tenants", accounts, exit_code);
  add_accounts(app, "users", "people of tenants", accounts, exit_code);
  add_accounts(app, "keys", "API keys", accounts, exit_code);

  weir::app::MockCommand mock;
  auto* mock_command =
      app.add_subcommand("mock", "a scriptable model server in four dialects, for tests and demos");
  mock_command->add_option("--listen", mock.listen, "address")->capture_default_str();
  mock_command->add_option("--plan", mock.plan, "file with what to do, whatever the requests say (JSON)");
  mock_command->callback([&] { exit_code = weir::app::run_mock(mock); });

  weir::app::sim::SimCommand sim;
  auto* sim_command = app.add_subcommand(
      "sim",
      "simulate whole worlds (gateways, model servers, clients, faults) from seeds and check what must hold");
  auto* seed = sim_command->add_option("--seed", sim.seed, "this one world");
  auto* seeds = sim_command->add_option("--seeds", sim.seeds, "worlds A..B, both included")->excludes(seed);
  auto* minutes =
      sim_command->add_option("--minutes", sim.minutes, "fresh seeds for so long")->excludes(seed, seeds);
  sim_command->add_option("--fresh", sim.fresh, "so many fresh seeds")->excludes(seed, seeds, minutes);
  sim_command->add_flag("--trace", sim.trace, "tell what happens, a line each");
  sim_command->add_flag("--keep-going", sim.keep_going, "go on after a failing seed");
  sim_command->add_option("--mutation", sim.mutation, "plant a deliberate bug (builds with mutations only)");
  sim_command->callback([&] { exit_code = weir::app::sim::run_sim(sim); });

  weir::app::EmbedderCommand embedder;
  auto* embedder_command =
      app.add_subcommand("embedder", "serve an embedding model on a Unix socket (started by serve)");
  embedder_command->add_option("--socket", embedder.socket, "path of the Unix socket")->required();
  embedder_command->add_option("--library", embedder.library, "ONNX Runtime shared library")->required();
  embedder_command->add_option("--model", embedder.model, "model file (.onnx)")->required();
  embedder_command->add_option("--tokenizer", embedder.tokenizer, "tokenizer.json")->required();
  embedder_command->add_option("--model-name", embedder.model_name, "name it answers to");
  embedder_command->add_option("--pooling", embedder.pooling, "cls (bge) or mean (MiniLM, e5)")
      ->check(CLI::IsMember({"cls", "mean"}))
      ->capture_default_str();
  embedder_command
      ->add_option("--threads", embedder.threads,
                   "texts embedded at once, each on one thread; 0: one for each core but one")
      ->capture_default_str();
  embedder_command->callback([&] { exit_code = weir::app::run_embedder(embedder); });

  app.add_subcommand("version", "print the version")->callback([] { std::puts("weir " WEIR_VERSION); });

  CLI11_PARSE(app, argc, argv);
  return exit_code;
}
