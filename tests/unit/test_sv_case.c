/* Cases: every key of case.json missing, mistyped, misspelt, twice; values out of bounds; the vocabulary of steps; the
 * folder around the file; lint; scaffolds. The first table is the list of keys: a key that the reader learns belongs
 * there. */
#include <malloc.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/io.h"
#include "supervisor/case_pack.h"
#include "supervisor/commands/case_new.h"
#include "tests/unit/check.h"

static char root[256]; /* the cases folder of this test */

/* A case with every key that there is. */
static const char whole[] =
    "{'id':'whole','title':'T','kind':'task','backends':['fake'],'authority_basis':'A','risk_class':'low',"
    "'mutation_mode':'copied-fixture','approval_required':false,'success_criteria':['S'],'rollback_expectation':'R',"
    "'evidence_expectations':['E'],'no_test_rationale':'N','allowed_writes':['a.txt','src/"
    "'],'forbidden_paths':['.env.*'],"
    "'forbidden_actions':['push','merge','deploy','close','pr_open','issue_close','public_publication',"
    "'credential_change','vendor_source_mutation','cortex_core_mutation'],"
    "'verification':[{'argv':['true','x y'],'timeout_s':5}],'clean_start_required':true,'diff_required':true,"
    "'required_events':['run.started','run.completed'],'commit':'harness','end_of_life':'exit','grace_ms':10,"
    "'grace_max_ms':3000,'network':'none','ignore':['*.tmp'],'pristine':['a.txt'],"
    "'read_roots':['/opt/x'],'landlock_abi_min':3,"
    "'timeouts':{'backend_s':7,'idle_s':3,'setup_s':8,'inspect_s':9},"
    "'limits':{'memory_bytes':1,'processes':2,'cpu_s':3,'open_files':6,'file_bytes':7,"
    "'scratch_bytes':8,'output_bytes':9,'log_lines':10,'run_dir_bytes':11},"
    "'baseline':{'empty':false,'history_commits':3,'submodules':[{'path':'lib/x','fixture':'sub'}],"
    "'generate':{'dir':'gen','count':4,'size':5}},"
    "'dirty_start':[{'do':'mkdir','path':'d'}],'fake':{'steps':[{'do':'hang'}],'executable':'/x'},"
    "'expect':{'status':'fail','blockers':['no_diff'],'failure_class':'no-diff','marker':'provider-timeout.txt'}}";

static const struct {
    const char *parent, *key; /* parent: keys and indexes separated by dots, "" the root */
    bool required;
} keys[] = {
    {"", "id", true},
    {"", "title", true},
    {"", "kind", true},
    {"", "backends", false},
    {"", "authority_basis", true},
    {"", "risk_class", true},
    {"", "mutation_mode", true},
    {"", "approval_required", false},
    {"", "success_criteria", true},
    {"", "rollback_expectation", true},
    {"", "evidence_expectations", false},
    {"", "no_test_rationale", false},
    {"", "allowed_writes", true},
    {"", "forbidden_paths", false},
    {"", "forbidden_actions", true},
    {"", "verification", false},
    {"", "clean_start_required", false},
    {"", "diff_required", false},
    {"", "required_events", false},
    {"", "commit", false},
    {"", "end_of_life", false},
    {"", "grace_ms", false},
    {"", "grace_max_ms", false},
    {"", "network", false},
    {"", "ignore", false},
    {"", "pristine", false},
    {"", "read_roots", false},
    {"", "landlock_abi_min", false},
    {"", "timeouts", false},
    {"", "limits", false},
    {"", "baseline", false},
    {"", "dirty_start", false},
    {"", "fake", true /* fake is one of the backends */},
    {"", "expect", true},
    {"verification.0", "argv", true},
    {"verification.0", "timeout_s", false},
    {"timeouts", "backend_s", false},
    {"timeouts", "idle_s", false},
    {"timeouts", "setup_s", false},
    {"timeouts", "inspect_s", false},
    {"limits", "memory_bytes", false},
    {"limits", "processes", false},
    {"limits", "cpu_s", false},
    {"limits", "open_files", false},
    {"limits", "file_bytes", false},
    {"limits", "scratch_bytes", false},
    {"limits", "output_bytes", false},
    {"limits", "log_lines", false},
    {"limits", "run_dir_bytes", false},
    {"baseline", "empty", false},
    {"baseline", "history_commits", false},
    {"baseline", "submodules", false},
    {"baseline", "generate", false},
    {"baseline.submodules.0", "path", true},
    {"baseline.submodules.0", "fixture", true},
    {"baseline.generate", "dir", true},
    {"baseline.generate", "count", true},
    {"baseline.generate", "size", true},
    {"dirty_start.0", "do", true},
    {"dirty_start.0", "path", true},
    {"fake", "steps", true},
    {"fake", "executable", false},
    {"expect", "status", true},
    {"expect", "blockers", false},
    {"expect", "failure_class", false},
    {"expect", "marker", false},
};

/* --- helpers ------------------------------------------------------------------------------------------------------ */

/* JSON with single quotes, to be read more easily here. */
static cJSON *parse(const char *text) {
    char *copy = strdup(text);
    NEED(copy != NULL);
    for (char *p = copy; *p; p++)
        if (*p == '\'') *p = '"';
    cJSON *doc = cJSON_Parse(copy);
    free(copy);
    NEED(doc != NULL);
    return doc;
}

static cJSON *walk(cJSON *doc, const char *path) {
    char copy[128], *save = NULL;
    (void)snprintf(copy, sizeof(copy), "%s", path);
    for (char *word = strtok_r(copy, ".", &save); word; word = strtok_r(NULL, ".", &save)) {
        doc = cJSON_IsArray(doc) ? cJSON_GetArrayItem(doc, atoi(word)) : cJSON_GetObjectItemCaseSensitive(doc, word);
        NEED(doc != NULL);
    }
    return doc;
}

static void put(const char *place, const char *name, const char *text, size_t n) {
    struct err e = ERR_INIT;
    int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char path[256];
    NEED(dir >= 0 && io_mkdirs_at(dir, place, 0755, &e) == 0);
    (void)snprintf(path, sizeof(path), "%s/%s", place, name);
    NEED(io_replace_file_at(dir, path, text, n, 0644, 0, &e) == 0);
    close(dir);
}

static void put_doc(const char *place, const cJSON *doc) {
    char *text = cJSON_Print(doc);
    NEED(text != NULL);
    put(place, "case.json", text, strlen(text));
    free(text);
}

static struct err last;
static bool loads(const char *id) {
    struct cto_case c;
    last = ERR_INIT;
    if (case_load(&c, root, id, &last) < 0) return false;
    case_release(&c);
    return true;
}

static bool said(const char *part) {
    if (strstr(last.text, part)) return true;
    fprintf(stderr, "wanted \"%s\" in \"%s\"\n", part, last.text);
    return false;
}

static bool whole_loads_as(cJSON *doc) {
    put_doc("whole", doc);
    cJSON_Delete(doc);
    return loads("whole");
}

/* Replaces one value in the whole case, or adds it. */
static bool with(const char *parent, const char *key, const char *value) {
    cJSON *doc = parse(whole), *at = walk(doc, parent);
    cJSON_DeleteItemFromObjectCaseSensitive(at, key);
    NEED(cJSON_AddItemToObject(at, key, parse(value)));
    return whole_loads_as(doc);
}

/* --- every key ---------------------------------------------------------------------------------------------------- */

static cJSON *other_type(const cJSON *v) {
    if (cJSON_IsString(v)) return cJSON_CreateNumber(7);
    if (cJSON_IsObject(v)) return cJSON_CreateArray();
    if (cJSON_IsBool(v)) return cJSON_CreateNumber(1);
    return cJSON_CreateString("x");
}

static void test_missing(const char *parent, const char *key, bool required) {
    cJSON *doc = parse(whole);
    cJSON_DeleteItemFromObjectCaseSensitive(walk(doc, parent), key);
    bool good = whole_loads_as(doc);
    CHECK(good == !required);
    if (required) CHECK(said(key) && said("missing") && said("/whole/case.json:"));
    if (good != !required) fprintf(stderr, "missing %s.%s: %s\n", parent, key, last.text);
}

static void test_wrong_type(const char *parent, const char *key) {
    cJSON *doc = parse(whole), *at = walk(doc, parent);
    cJSON *wrong = other_type(cJSON_GetObjectItemCaseSensitive(at, key));
    NEED(cJSON_ReplaceItemInObjectCaseSensitive(at, key, wrong));
    CHECK(!whole_loads_as(doc));
    CHECK(said(key) && said("expected") && said("/whole/case.json:"));
    CHECK(last.code == ERR_USAGE);
}

static void test_misspelt(const char *parent, const char *key) {
    char name[64];
    cJSON *doc = parse(whole);
    (void)snprintf(name, sizeof(name), "%s_", key);
    NEED(cJSON_AddItemToObject(walk(doc, parent), name, cJSON_CreateTrue()));
    CHECK(!whole_loads_as(doc));
    CHECK(said(name) && said("unknown key"));
}

static void test_twice(const char *parent, const char *key) {
    cJSON *doc = parse(whole), *at = walk(doc, parent);
    NEED(cJSON_AddItemToObject(at, key, cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(at, key), 1)));
    CHECK(!whole_loads_as(doc));
    CHECK(said(key) && said("twice"));
}

static void test_keys(void) {
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        test_missing(keys[i].parent, keys[i].key, keys[i].required);
        test_wrong_type(keys[i].parent, keys[i].key);
        test_misspelt(keys[i].parent, keys[i].key);
        test_twice(keys[i].parent, keys[i].key);
    }
}

static bool inside(const struct cto_case *c, const void *p) {
    const char *from = c->memory, *at = p;
    return at >= from && at < from + malloc_usable_size(c->memory);
}

/* Nothing of a loaded case points elsewhere than into its own memory, so the document may go. */
static void packed(struct cto_case *c) {
    struct case_list *lists[CASE_LISTS];
    const char *const single[] = {c->dir,
                                  c->file,
                                  c->id,
                                  c->title,
                                  c->authority_basis,
                                  c->rollback_expectation,
                                  c->no_test_rationale,
                                  c->generate_dir,
                                  c->dirty_start,
                                  c->fake_config,
                                  c->task,
                                  c->expect.failure_class,
                                  c->expect.marker,
                                  (const char *)c->verify,
                                  c->verify[0].argv[0],
                                  c->verify[0].argv[1],
                                  c->submodules[0].path,
                                  c->submodules[0].fixture};
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
        if (!CHECK(inside(c, single[i]))) fprintf(stderr, "    text %zu: %s\n", i, single[i]);
    case_lists(c, lists);
    for (int i = 0; i < CASE_LISTS; i++) {
        CHECK(lists[i]->n > 0 && inside(c, lists[i]->v));
        for (int k = 0; k < lists[i]->n; k++) CHECK(inside(c, lists[i]->v[k]));
    }
    CHECK(c->doc != NULL);
    case_forget_document(c);
    case_forget_document(c);
    CHECK(c->doc == NULL && strcmp(c->allowed_writes.v[1], "src/") == 0 && strcmp(c->task, "Do it.\n") == 0);
}

static void test_values(void) {
    struct cto_case c;
    CHECK(whole_loads_as(parse(whole)));
    NEED(case_load(&c, root, "whole", &last) == 0);
    CHECK(strcmp(c.id, "whole") == 0 && strcmp(c.kind, "task") == 0 && strcmp(c.task, "Do it.\n") == 0);
    CHECK(c.allowed_writes.n == 2 && strcmp(c.allowed_writes.v[1], "src/") == 0);
    CHECK(c.forbidden_actions.n == 10 && c.required_events.n == 2 && c.ignore.n == 1 && c.pristine.n == 1);
    CHECK(c.read_roots.n == 1 && strcmp(c.read_roots.v[0], "/opt/x") == 0 && c.landlock_abi_min == 3);
    CHECK(c.n_verify == 1 && c.verify[0].argc == 2 && strcmp(c.verify[0].argv[1], "x y") == 0);
    CHECK(c.verify[0].argv[2] == NULL && c.verify[0].timeout_ms == 5000);
    CHECK(c.commit == COMMIT_HARNESS && c.end_of_life == EOL_EXIT && c.network_none);
    CHECK(c.grace_ms == 10 && c.grace_max_ms == 3000 && c.backend_timeout_ms == 7000 && c.idle_timeout_ms == 3000);
    CHECK(c.setup_timeout_ms == 8000 && c.inspect_timeout_ms == 9000);
    CHECK(c.limits.memory_bytes == 1 && c.limits.processes == 2 && c.limits.cpu_s == 3);
    CHECK(c.limits.open_files == 6 && c.limits.file_bytes == 7 && c.limits.scratch_bytes == 8);
    CHECK(c.limits.output_bytes == 9 && c.limits.log_lines == 10 && c.run_dir_bytes == 11);
    CHECK(c.history_commits == 3 && c.n_submodules == 1 && strcmp(c.submodules[0].fixture, "sub") == 0);
    CHECK(strcmp(c.generate_dir, "gen") == 0 && c.generate_count == 4 && c.generate_size == 5);
    CHECK(strcmp(c.dirty_start, "[{\"do\":\"mkdir\",\"path\":\"d\"}]") == 0);
    CHECK(strcmp(c.fake_config, "{\"steps\":[{\"do\":\"hang\"}],\"executable\":\"/x\"}") == 0);
    CHECK(c.expect.status == VERDICT_FAIL && c.expect.n_blockers == 1 && c.expect.blockers[0] == BLOCKER_no_diff);
    CHECK(strcmp(c.expect.failure_class, "no-diff") == 0 && strcmp(c.expect.marker, "provider-timeout.txt") == 0);
    packed(&c);
    case_release(&c);
}

static void test_defaults(void) {
    static const char *const optional[] = {"backends",    "verification", "required_events", "commit",
                                           "end_of_life", "grace_ms",     "grace_max_ms",    "network",
                                           "timeouts",    "limits",       "baseline"};
    struct cto_case c;
    cJSON *doc = parse(whole);
    for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++)
        cJSON_DeleteItemFromObjectCaseSensitive(doc, optional[i]);
    NEED(whole_loads_as(doc) && case_load(&c, root, "whole", &last) == 0);
    CHECK(c.backends.n == 1 && strcmp(c.backends.v[0], "fake") == 0);
    CHECK(c.required_events.n == 7 && strcmp(c.required_events.v[6], "run.completed") == 0);
    CHECK(c.commit == COMMIT_AGENT && c.end_of_life == EOL_QUIET && !c.network_none && c.n_verify == 0);
    CHECK(c.grace_ms == 2000 && c.grace_max_ms == 30000 && c.backend_timeout_ms == 300000 && c.idle_timeout_ms == 0);
    CHECK(c.setup_timeout_ms == 120000 && c.inspect_timeout_ms == 60000);
    CHECK(c.run_dir_bytes == 0 && c.limits.memory_bytes == 0 && c.history_commits == 0 && !c.generate_dir);
    case_release(&c);
}

static void test_bounds(void) {
    static const struct {
        const char *parent, *key, *value, *complaint;
    } bad[] = {
        {"", "id", "'other'", "folder's name"},
        {"", "title", "''", "title"},
        {"", "title", "'a\\nb'", "control"},
        {"", "kind", "'job'", "task, failure"},
        {"", "kind", "'failure'", "not under failures/"},
        {"", "risk_class", "'none'", "low, medium, high"},
        {"", "backends", "[]", "empty"},
        {"", "backends", "['fakee']", "did you mean fake"},
        {"", "backends", "['fake','fake']", "backends[1]: \"fake\" is listed twice"},
        {"", "success_criteria", "[]", "empty"},
        {"", "success_criteria", "['a',2]", "success_criteria[1]"},
        {"", "allowed_writes", "[]", "empty"},
        {"", "allowed_writes", "['/etc/passwd']", "allowed_writes[0]"},
        {"", "allowed_writes", "['a','../b']", "allowed_writes[1]"},
        {"", "allowed_writes", "['*.c']", "wildcard"},
        {"", "forbidden_paths", "['a//b']", "forbidden_paths[0]"},
        {"", "forbidden_actions", "['pushh']", "did you mean push"},
        {"", "required_events", "['started']", "event type"},
        {"", "required_events", "['run.']", "event type"},
        {"", "required_events", "['run.started','run.started']", "twice"},
        {"", "pristine", "['../x']", "plain relative path"},
        {"", "pristine", "['a/']", "plain relative path"},
        {"", "read_roots", "['/']", "plain absolute path"},
        {"", "read_roots", "['opt']", "plain absolute path"},
        {"", "read_roots", "['/a/../b']", "plain absolute path"},
        {"", "read_roots", "['/a//b']", "plain absolute path"},
        {"", "landlock_abi_min", "-1", "landlock_abi_min"},
        {"", "ignore", "['']", "ignore[0]"},
        {"", "commit", "'me'", "agent, harness"},
        {"", "end_of_life", "'never'", "quiet, first_commit, exit"},
        {"", "network", "'all'", "loopback, none"},
        {"", "grace_ms", "1.5", "whole number"},
        {"", "grace_ms", "-1", "outside"},
        {"", "grace_ms", "3001", "below grace_ms"},
        {"", "verification", "[{'argv':[]}]", "verification[0].argv: must not be empty"},
        {"", "verification", "[{'argv':['']}]", "must name a program"},
        {"", "verification", "[{'argv':['a',3]}]", "argv[1]"},
        {"", "verification", "[{'argv':['a'],'timeout_s':0}]", "outside"},
        {"", "verification", "['make test']", "object"},
        {"timeouts", "backend_s", "0", "outside"},
        {"timeouts", "setup_s", "0", "outside"},
        {"timeouts", "inspect_s", "0", "outside"},
        {"limits", "run_dir_bytes", "0", "outside"},
        {"limits", "processes", "'9'", "whole number"},
        {"baseline", "empty", "true", "an empty repository"},
        {"baseline", "history_commits", "10001", "outside"},
        {"baseline.generate", "dir", "'../x'", "plain relative path"},
        {"baseline.generate", "count", "0", "outside"},
        {"baseline.submodules.0", "path", "'/x'", "plain relative path"},
        {"fake", "steps", "{}", "array"},
        {"expect", "status", "'ok'", "pass, fail, blocked"},
        {"expect", "blockers", "['no_difff']", "not a blocker reason"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (!CHECK(!with(bad[i].parent, bad[i].key, bad[i].value)) || !CHECK(said(bad[i].complaint)))
            fprintf(stderr, "  for %s %s %s\n", bad[i].parent, bad[i].key, bad[i].value);
    }
    CHECK(with("", "allowed_writes", "['a b/ö.txt']"));
    CHECK(with("", "verification", "[]"));
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

static const char *const good_steps[] = {
    "{'do':'write','path':'a','text':''}",
    "{'do':'write','path':'a','base64':'AAEC','mode':'755'}",
    "{'do':'write','path':'/etc/a','repeat_byte':0,'size':1073741824}",
    "{'do':'append','path':'a','text':'b'}",
    "{'do':'replace','path':'a','old':'b','new':''}",
    "{'do':'delete','path':'a'}",
    "{'do':'rename','from':'a','to':'b'}",
    "{'do':'chmod','path':'a','mode':'0644'}",
    "{'do':'symlink','path':'a','target':'../b'}",
    "{'do':'mkdir','path':'a'}",
    "{'do':'fifo','path':'a'}",
    "{'do':'write_many','dir':'a','count':5,'size':0}",
    "{'do':'read','path':'a','expect':'denied'}",
    "{'do':'git','args':['status'],'may_fail':true}",
    "{'do':'commit','message':'m'}",
    "{'do':'commit','message':'m','paths':['a']}",
    "{'do':'exec','argv':['sh','-c','']}",
    "{'do':'connect','host':'127.0.0.1','port':80,'expect':'refused'}",
    "{'do':'output','text':'a'}",
    "{'do':'output','stream':'stderr','base64':'/w==','repeat':9}",
    "{'do':'sleep','ms':0}",
    ("{'do':'spawn','ms':1,'setsid':true,'ignore_signals':true,'double_fork':true,'hold_stdout':true,'text':'x',"
     "'then':[{'do':'hang'}]}"),
    "{'do':'exit','code':255}",
    "{'do':'signal','signal':'SEGV'}",
    "{'do':'say_done'}",
    "{'do':'hang'}",
    "{'do':'expect_fail','steps':[{'do':'write','path':'/x','text':''},{'do':'exec','argv':['false']}]}",
};

static const struct {
    const char *step, *complaint;
} bad_steps[] = {
    {"{}", "do: is missing"},
    {"{'do':7}", "do: a string"},
    {"{'do':'wirte','path':'a','text':''}", "did you mean write"},
    {"{'do':'write','text':'a'}", "path: is missing"},
    {"{'do':'write','path':'','text':'a'}", "must not be empty"},
    {"{'do':'write','path':'a'}", "exactly one content key"},
    {"{'do':'write','path':'a','text':'','base64':''}", "exactly one content key"},
    {"{'do':'write','path':'a','repeat_byte':1}", "needs \"size\""},
    {"{'do':'write','path':'a','text':'','size':1}", "only together"},
    {"{'do':'write','path':'a','repeat_byte':256,'size':1}", "outside"},
    {"{'do':'write','path':'a','base64':'AAE'}", "base64"},
    {"{'do':'write','path':'a','base64':'A==='}", "base64"},
    {"{'do':'write','path':'a','base64':'A?=='}", "base64"},
    {"{'do':'write','path':'a','text':'','mode':'rwx'}", "octal"},
    {"{'do':'write','path':'a','text':'','mode':'888'}", "octal"},
    {"{'do':'append','path':'a','text':'b','mode':'644'}", "unknown key"},
    {"{'do':'chmod','path':'a'}", "mode: is missing"},
    {"{'do':'rename','from':'a'}", "to: is missing"},
    {"{'do':'read','path':'a'}", "expect: is missing"},
    {"{'do':'read','path':'a','expect':'gone'}", "present, missing, denied"},
    {"{'do':'git','args':'status'}", "array"},
    {"{'do':'git','args':[]}", "must not be empty"},
    {"{'do':'exec','argv':['a',1]}", "argv[1]"},
    {"{'do':'connect','host':'localhost','port':80}", "IPv4"},
    {"{'do':'connect','host':'127.0.0.1','port':0}", "outside"},
    {"{'do':'output'}", "exactly one content key"},
    {"{'do':'output','text':'a','stream':'stdin'}", "stdout, stderr"},
    {"{'do':'sleep','ms':-1}", "outside"},
    {"{'do':'sleep','ms':'1'}", "whole number"},
    {"{'do':'spawn'}", "ms: is missing"},
    {"{'do':'spawn','ms':1,'then':[{'do':'sing'}]}", "then[0].do"},
    {"{'do':'exit','code':256}", "outside"},
    {"{'do':'signal','signal':9}", "a string"},
    {"{'do':'signal','signal':'WINCH'}", "is not one of"},
    {"{'do':'hang','ms':1}", "unknown key"},
    {"{'do':'expect_fail'}", "steps: is missing"},
    {"{'do':'expect_fail','steps':[{'do':'expect_fail','steps':[{'do':'expect_fail','steps':[{'do':'expect_fail',"
     "'steps':[{'do':'expect_fail','steps':[{'do':'hang'}]}]}]}]}]}",
     "levels"},
    {"'hang'", "object"},
};

static void test_steps(void) {
    char text[1024];
    for (size_t i = 0; i < sizeof(good_steps) / sizeof(good_steps[0]); i++) {
        (void)snprintf(text, sizeof(text), "[%s]", good_steps[i]);
        if (!CHECK(with("fake", "steps", text))) fprintf(stderr, "%s: %s\n", good_steps[i], last.text);
        CHECK(with("", "dirty_start", text));
    }
    for (size_t i = 0; i < sizeof(bad_steps) / sizeof(bad_steps[0]); i++) {
        (void)snprintf(text, sizeof(text), "[{'do':'hang'},%s]", bad_steps[i].step);
        CHECK(!with("fake", "steps", text) && said("fake.steps[1]"));
        if (!CHECK(said(bad_steps[i].complaint))) fprintf(stderr, "  for %s\n", bad_steps[i].step);
        CHECK(!with("", "dirty_start", text) && said("dirty_start[1]"));
    }
    /* more than one frame can carry */
    AUTO_BUF struct buf long_step = BUF_INIT(1 << 20);
    buf_puts(&long_step, "[{'do':'output','text':'1'}");
    for (int i = 0; i < 200; i++) buf_printf(&long_step, ",{'do':'output','text':'%0600d'}", i);
    buf_puts(&long_step, "]");
    CHECK(!with("fake", "steps", buf_str(&long_step)) && said("longer than"));
}

/* --- the folder --------------------------------------------------------------------------------------------------- */

static void test_line(void) {
    const char *text = "{\n\"id\": \"place\",\n\"title\": \"t\",\n\"kind\": \"task\",\n\"titel\": 1\n}\n";
    char want[400];
    put("place", "case.json", text, strlen(text));
    put("place", "task.md", "x\n", 2);
    CHECK(!loads("place"));
    (void)snprintf(want, sizeof(want), "%s/place/case.json:", root);
    CHECK(said(want) && said("authority_basis: is missing"));
    text = "{\"id\": \"place\",\n\"title\": \"t\",\n\n\"kind\": 4}";
    put("place", "case.json", text, strlen(text));
    CHECK(!loads("place"));
    (void)snprintf(want, sizeof(want), "%s/place/case.json:4: kind: a string is expected", root);
    CHECK(said(want));
    put("place", "case.json", "{\"id\": \n}", 9);
    CHECK(!loads("place") && said("/place/case.json:2: not valid JSON"));
    put("place", "case.json", "", 0);
    CHECK(!loads("place"));
    put("place", "case.json", "[]", 2);
    CHECK(!loads("place") && said("object"));
}

static void test_task_text(void) {
    CHECK(whole_loads_as(parse(whole)));
    put("whole", "task.md", "", 0);
    CHECK(!loads("whole") && said("task.md"));
    put("whole", "task.md", "a\0b", 3);
    CHECK(!loads("whole") && said("task.md"));
    put("whole", "task.md", "a\xff\n", 3);
    CHECK(!loads("whole") && said("task.md"));
    put("whole", "task.md", "Do it.\n", 7);
    CHECK(loads("whole"));
}

static void test_ids(void) {
    char **ids = NULL;
    static const char *const bad[] = {"", "-a", "a-", "a--b", "A", "a_b", "a/b", "..", "a.b", "failures", "all", "a\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(!case_id_valid(bad[i]));
        CHECK(!loads(bad[i]) && last.code == ERR_USAGE);
    }
    CHECK(case_id_valid("a") && case_id_valid("r1-string-slugify") && case_id_valid("0-9"));
    char longest[CASE_ID_MAX + 2];
    memset(longest, 'a', sizeof(longest));
    longest[CASE_ID_MAX + 1] = '\0';
    CHECK(!case_id_valid(longest));
    CHECK(case_id_valid(longest + 1));

    cJSON *doc = parse(whole);
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "id", cJSON_CreateString("broken"));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "kind", cJSON_CreateString("failure"));
    put_doc("failures/broken", doc);
    put("failures/broken", "task.md", "x\n", 2);
    put(".hidden", "case.json", "{}", 2);
    CHECK(loads("broken"));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "kind", cJSON_CreateString("task"));
    put_doc("failures/broken", doc);
    CHECK(!loads("broken") && said("under failures/"));
    cJSON_Delete(doc);

    int n = case_ids(root, true, &ids, &last);
    CHECK(n == 3 && strcmp(ids[0], "place") == 0 && strcmp(ids[1], "whole") == 0 && strcmp(ids[2], "broken") == 0);
    case_ids_free(ids, n);
    n = case_ids(root, false, &ids, &last);
    CHECK(n == 2);
    case_ids_free(ids, n);
    CHECK(!loads("whol") && said("did you mean whole") && last.code == ERR_USAGE);
    CHECK(!loads("something-else") && !strstr(last.text, "did you mean"));
    CHECK(case_ids("/nonexistent", true, &ids, &last) < 0);

    put("failures/whole", "case.json", "{}", 2);
    CHECK(case_ids(root, true, &ids, &last) < 0 && said("exists twice"));
    int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    NEED(dir >= 0 && io_remove_tree_at(dir, "failures", NULL) == 0);
    close(dir);
}

/* --- lint --------------------------------------------------------------------------------------------------------- */

static char complaints[4096];
static void collect(void *arg, const char *text) {
    (void)arg;
    size_t n = strlen(complaints);
    (void)snprintf(complaints + n, sizeof(complaints) - n, "%s\n", text);
}

static int lint(const char *id) {
    struct cto_case c;
    complaints[0] = '\0';
    last = ERR_INIT;
    if (!CHECK(case_load(&c, root, id, &last) == 0)) {
        fprintf(stderr, "%s\n", last.text);
        return -1;
    }
    int n = case_lint(&c, collect, NULL);
    case_release(&c);
    return n;
}

static bool complained(const char *part) {
    if (strstr(complaints, part)) return true;
    fprintf(stderr, "wanted \"%s\" in \"%s\"\n", part, complaints);
    return false;
}

static bool lint_with(const char *parent, const char *key, const char *value, const char *complaint) {
    NEED(with(parent, key, value));
    return lint("whole") > 0 && complained(complaint) && complained("/whole/case.json:");
}

/* A case that says that its test command is missing: does lint find that one is there? */
static bool lint_finds(const char *verification) {
    cJSON *doc = parse(whole), *expect = parse("{'status':'blocked','blockers':['missing_test_command']}");
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "verification", parse(verification));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "expect", expect);
    return whole_loads_as(doc) && lint("whole") > 0 && complained("but there is a command");
}

static void test_lint(void) {
    put("whole/fixture", "a.txt", "a\n", 2);
    put("whole/sub", "s.txt", "s\n", 2);
    CHECK(with("expect", "blockers", "['timeout']") && with("", "expect", "{'status':'pass'}"));
    CHECK(lint("whole") == 0);
    if (complaints[0]) fprintf(stderr, "%s", complaints);
    CHECK(lint_with("", "expect", "{'status':'pass','blockers':['no_diff']}", "expect.blockers: a pass"));
    CHECK(lint_with("", "expect", "{'status':'pass','failure_class':'no-diff'}", "expect.failure_class: a pass"));
    CHECK(lint_with("", "expect", "{'status':'fail'}", "why is it not a pass"));
    CHECK(lint_with("", "expect", "{'status':'fail','blockers':['timeout']}", "ends as \"blocked\""));
    CHECK(lint_with("", "expect", "{'status':'blocked','blockers':['timeout','no_diff']}", "ends as \"fail\""));
    CHECK(
        lint_with("", "expect", "{'status':'fail','blockers':['no_diff'],'failure_class':'timeout'}", "does not fit"));
    CHECK(lint_with("", "expect", "{'status':'fail','blockers':['no_diff'],'marker':'x'}", "marker of none"));
    CHECK(
        lint_with("", "expect", "{'status':'blocked','blockers':['missing_test_command']}", "but there is a command"));
    CHECK(!lint_finds("[{'argv':['no-such-test']}]") && lint_finds("[{'argv':['./no-such-test']}]"));
    CHECK(!lint_finds("[{'argv':['sh']},{'argv':['no-such-test']}]") && lint_finds("[{'argv':['sh']}]"));
    CHECK(with("", "expect",
               "{'status':'fail','blockers':['disallowed_file_change'],'failure_class':'disallowed-file'}"));
    CHECK(lint("whole") == 0);
    CHECK(lint_with("", "forbidden_actions", "['push']", "\"merge\" is missing"));
    CHECK(lint_with("", "forbidden_paths", "['a.txt']", "forbidden wins"));
    CHECK(lint_with("", "mutation_mode", "'sandbox-repo'", "needs a human"));
    CHECK(lint_with("", "pristine", "['b.txt']", "pristine[0]: fixture/b.txt does not exist"));
    CHECK(lint_with("baseline.submodules.0", "fixture", "'nosub'", "no folder of this case"));
    CHECK(lint_with("baseline.submodules.0", "path", "'a.txt'", "exists already"));
    CHECK(lint_with("baseline.generate", "dir", "'a.txt'", "exists already"));
    CHECK(lint_with("", "baseline", "{'empty':true}", "nobody would see"));
    cJSON *doc = parse(whole);
    cJSON_DeleteItemFromObjectCaseSensitive(doc, "verification");
    cJSON_DeleteItemFromObjectCaseSensitive(doc, "no_test_rationale");
    NEED(whole_loads_as(doc));
    CHECK(lint("whole") > 0 && complained("missing_test_command"));
    int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    NEED(dir >= 0 && io_remove_tree_at(dir, "whole/fixture", NULL) == 0);
    CHECK(lint("whole") > 0 && complained("no fixture/"));
    NEED(io_mkdirs_at(dir, "whole/fixture", 0755, NULL) == 0);
    CHECK(lint("whole") > 0 && complained("fixture/ is empty"));
    put("whole/fixture/.git", "HEAD", "x", 1);
    CHECK(lint("whole") > 0 && complained("holds .git"));
    close(dir);
}

/* --- new ---------------------------------------------------------------------------------------------------------- */

static void test_new(void) {
    char place[CASE_ID_MAX + 16], path[400], target[64];
    struct stat st;
    CHECK(case_new(root, "fresh", NULL, place, &last) == 0 && strcmp(place, "fresh") == 0);
    CHECK(lint("fresh") == 0);
    CHECK(case_new(root, "fresh", NULL, place, &last) < 0 && said("exists already") && last.code == ERR_USAGE);
    CHECK(case_new(root, "Fresh", NULL, place, &last) < 0 && said("is no case id"));
    CHECK(case_new(root, "../x", NULL, place, &last) < 0 && last.code == ERR_USAGE);
    CHECK(case_new(root, "other", "frsh", place, &last) < 0 && said("did you mean fresh"));

    put("fresh/fixture/deep", "run", "#!/bin/sh\n", 10);
    (void)snprintf(path, sizeof(path), "%s/fresh/fixture/deep/run", root);
    NEED(chmod(path, 0755) == 0);
    (void)snprintf(path, sizeof(path), "%s/fresh/fixture/link", root);
    NEED(symlink("deep/run", path) == 0);
    CHECK(case_new(root, "copy", "fresh", place, &last) == 0 && lint("copy") == 0);
    (void)snprintf(path, sizeof(path), "%s/copy/fixture/deep/run", root);
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0755);
    (void)snprintf(path, sizeof(path), "%s/copy/fixture/link", root);
    ssize_t n = readlink(path, target, sizeof(target));
    CHECK(n == 8 && memcmp(target, "deep/run", 8) == 0);

    /* what cannot be copied leaves nothing behind */
    (void)snprintf(path, sizeof(path), "%s/fresh/fixture/fifo", root);
    NEED(mkfifo(path, 0600) == 0);
    CHECK(case_new(root, "half", "fresh", place, &last) < 0 && said("fifo"));
    (void)snprintf(path, sizeof(path), "%s/half", root);
    CHECK(stat(path, &st) < 0);
    (void)snprintf(path, sizeof(path), "%s/.new-half-%ld", root, (long)getpid());
    CHECK(stat(path, &st) < 0);

    cJSON *doc = parse(whole);
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "id", cJSON_CreateString("sad"));
    cJSON_ReplaceItemInObjectCaseSensitive(doc, "kind", cJSON_CreateString("failure"));
    put_doc("failures/sad", doc);
    cJSON_Delete(doc);
    put("failures/sad", "task.md", "x\n", 2);
    CHECK(case_new(root, "sadder", "sad", place, &last) == 0 && strcmp(place, "failures/sadder") == 0);
    CHECK(loads("sadder"));
}

int main(void) {
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(root, sizeof(root), "%s/cto-test-case-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    NEED(mkdtemp(root) != NULL);
    put("whole", "task.md", "Do it.\n", 7);
    test_keys();
    test_values();
    test_defaults();
    test_bounds();
    test_steps();
    test_line();
    test_task_text();
    test_ids();
    test_lint();
    test_new();
    (void)io_remove_tree_at(AT_FDCWD, root, NULL);
    return check_done();
}
