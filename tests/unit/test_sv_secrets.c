/* test_sv_secrets.c - what becomes of known values in a run's directory: every way by which bytes get there, the marks and counts, the
 * patch that is withheld; which values are known of an endpoint; and shapes of credentials in a stream. */
#include "supervisor/known_values.h"
#include "supervisor/secret_scan.h"
#include "sv_fixture.h"

#define KEY "k3y-Zq8w41x9v7"
#define URL "http://Box-One:8123/v1/"

static struct fixture f;
static struct err e = ERR_INIT;

static struct redactor *known(const char *url, const char *key) {
    struct redactor *r = NULL;
    NEED(known_values_of(url, key, &r, NULL) == 0);
    return r;
}

static bool finds(struct redactor *r, const char *text) {
    char *clean = redact_text(r, text, strlen(text), NULL, NULL);
    free(clean);
    return clean != NULL;
}

static void what_is_known(void) {
    static const char *const hidden[] = {URL,
                                         "http://Box-One:8123/v1",
                                         "http://box-one:8123/v1/x",
                                         "Box-One:8123",
                                         "box-one:8123",
                                         "CONNECT box-one:8123",
                                         KEY};
    static const char *const open[] = {"Box-One", "http://other:8123/v1", "8123", "EMPTY", "http://127.0.0.1:8123/v1"};
    struct redactor *r = known(URL, KEY);
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        if (!CHECK(finds(r, hidden[i]))) fprintf(stderr, "    %s\n", hidden[i]);
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
        if (!CHECK(!finds(r, open[i]))) fprintf(stderr, "    %s\n", open[i]);
    CHECK(redactor_names(r) == 2);
    redactor_free(r);
    CHECK(known_values_of(NULL, NULL, &r, &e) == 0 && r == NULL);
    CHECK(known_values_of(NULL, "EMPTY", &r, &e) < 0 && strstr(e.text, "LOCAL_API_KEY"));
    e = ERR_INIT;
    CHECK(known_values_of("http://gpu:1/v1", NULL, &r, &e) < 0 && strstr(e.text, "host") && !strstr(e.text, "gpu"));
    CHECK(known_values_of("http://user:word@longer-host:80/v1", NULL, &r, &e) == 0 && finds(r, "longer-host:80"));
    redactor_free(r);
    setenv("CTO_HARNESS_EXEC_LOCAL_API_KEY", "short", 1);
    e = ERR_INIT;
    CHECK(known_values(engine_find("exec"), &r, &e) < 0 && strstr(e.text, "CTO_HARNESS_EXEC_") &&
          !strstr(e.text, "short"));
    setenv("CTO_HARNESS_EXEC_LOCAL_API_KEY", KEY, 1);
    CHECK(known_values(engine_find("exec"), &r, &e) == 0 && finds(r, KEY));
    redactor_free(r);
    CHECK(known_values(engine_find("case"), &r, &e) == 0 && !r && known_values(engine_find("fake"), &r, &e) == 0 && !r);
    unsetenv("CTO_HARNESS_EXEC_LOCAL_API_KEY");
}

/* --- a run directory ------------------------------------------------------------------------------------------------------ */

static void open_run(void) {
    fixture_home(&f);
    f.r.secrets = secrets_new(known(URL, KEY));
    NEED(evidence_create(&f.home, &f.r, NULL, NULL, &f.ev, &e) == 0);
    evidence_set_secrets(f.ev, f.r.secrets);
}

/* Of a file of the run; "" when it is not there. */
static const char *contents(const char *name) {
    static struct buf text = BUF_INIT(1u << 20);
    AUTO_FD int at = open(f.r.run_dir, O_RDONLY | O_DIRECTORY);
    buf_reset(&text);
    NEED(at >= 0);
    if (io_read_file_at(at, name, 1u << 20, &text, NULL) < 0) buf_reset(&text);
    return buf_str(&text);
}

/* In pieces of one byte, so that every border falls into a value. */
static void everything_that_is_written(void) {
    char digest[DIGEST_HEX_SIZE];
    open_run();
    const char *text = "a " KEY " b http%3a%2f%2fbox-one%3a8123 c \\u006b3y-Zq8w41x9v7 d";
    for (size_t i = 0; i < strlen(text); i++)
        for (int s = OUT_STDOUT; s <= OUT_VERIFY; s++)
            CHECK(evidence_output(f.ev, (enum out_stream)s, text + i, 1, &e) == 0);
    CHECK(evidence_output(f.ev, OUT_VERIFY, KEY, 5, &e) == 0);
    CHECK(evidence_test_log(f.ev, "ours: " KEY, &e) == 0);
    cJSON *data = cJSON_CreateObject();
    cJSON_AddStringToObject(data, "said", "it is " KEY "!");
    cJSON_AddStringToObject(cJSON_AddArrayToObject(data, "x"), KEY, KEY);
    CHECK(evidence_event(f.ev, "run.started", data, &e) == 0);
    CHECK(evidence_trace(f.ev, "step", 1, 2, true, "argv " KEY, &e) == 0);
    CHECK(evidence_marker(f.ev, "config.json", "{\"url\":\"http:\\/\\/box-one:8123\\/v1\"}", &e) == 0);
    f.c.title = "about " KEY;
    f.c.risk_class = "whoever has " KEY;
    CHECK(evidence_contract(f.ev, &f.r, digest, &e) == 0);
    CHECK(evidence_flush(f.ev, &e) == 0);
    const char *want =
        "a [redacted:LOCAL_API_KEY] b http%3a%2f%2f[redacted:LOCAL_BASE_URL] c [redacted:LOCAL_API_KEY] d";
    CHECK(strcmp(contents("backend/stdout.log"), want) == 0 && strcmp(contents("backend/stderr.log"), want) == 0);
    CHECK(strstr(contents("test.log"), " dk3y-Zours: [redacted:LOCAL_API_KEY]\n") != NULL);
    static const char *const files[] = {EVIDENCE_EVENTS, EVIDENCE_TRACE, "backend/config.json", EVIDENCE_CONTRACT};
    for (size_t i = 0; i < 4; i++)
        if (!CHECK(strstr(contents(files[i]), "[redacted:LOCAL_") && !strstr(contents(files[i]), "k3y-Zq8")))
            fprintf(stderr, "    %s\n", contents(files[i]));
    CHECK(f.r.secrets->redacted[1][SECRET_IN_STDOUT] == 2 && f.r.secrets->redacted[0][SECRET_IN_STDOUT] == 1);
    CHECK(f.r.secrets->redacted[1][SECRET_IN_TEST_LOG] == 3 && f.r.secrets->redacted[1][SECRET_IN_EVENTS] == 3);
    CHECK(f.r.secrets->redacted[1][SECRET_IN_TRACE] == 1 && f.r.secrets->redacted[0][SECRET_IN_BACKEND] == 1);
    CHECK(!f.r.secrets->leaked);
    /* the counts of one process in another */
    cJSON *kept = secrets_to_json(f.r.secrets), *report = cJSON_CreateObject();
    struct secrets *other = secrets_new(NULL);
    secrets_from_json(other, kept);
    secrets_put(report, other, true);
    CHECK(cJSON_Compare(kept, report, true) && cJSON_IsTrue(cJSON_GetObjectItem(report, "secret_redacted")));
    CHECK(cJSON_GetArraySize(cJSON_GetObjectItem(report, "secret_redactions")) >= 7);
    secrets_free(other);
    cJSON_Delete(kept);
    cJSON_Delete(report);
    fixture_free(&f);
}

static void the_patch(void) {
    open_run();
    const char *text = "diff --git a/x b/x\n+++ b/x\n+key = a3k\n+" KEY "\n";
    for (size_t i = 0; i < strlen(text); i++) {
        CHECK(evidence_patch(f.ev, text + i, 1, &e) == 0);
        CHECK(strstr(contents(EVIDENCE_PATCH), "Zq8") == NULL);
    }
    CHECK(f.r.secrets->leaked && strstr(f.r.secrets->leak, "LOCAL_API_KEY") && !strstr(f.r.secrets->leak, KEY));
    CHECK(strncmp(contents(EVIDENCE_PATCH), "patch.diff is withheld", 22) == 0);
    CHECK(evidence_patch(f.ev, "more", 4, &e) == 0 && evidence_flush(f.ev, &e) == 0);
    const char *line = contents(EVIDENCE_PATCH);
    CHECK(strchr(line, '\n') == line + strlen(line) - 1);
    CHECK(evidence_bytes(f.ev) == strlen(line));
    fixture_free(&f);
    /* at its very end, and only decided there */
    open_run();
    CHECK(evidence_patch(f.ev, "+Box-One:8123", 13, &e) == 0 && evidence_flush(f.ev, &e) == 0);
    CHECK(f.r.secrets->leaked && strncmp(contents(EVIDENCE_PATCH), "patch.diff is withheld", 22) == 0);
    fixture_free(&f);
    /* nothing in it: as it came, and a beginning of a value is no value */
    open_run();
    CHECK(evidence_patch(f.ev, "+Box-One:81", 11, &e) == 0 && evidence_flush(f.ev, &e) == 0);
    CHECK(!f.r.secrets->leaked && strcmp(contents(EVIDENCE_PATCH), "+Box-One:81") == 0);
    fixture_free(&f);
}

/* --- shapes ---------------------------------------------------------------------------------------------------------------- */

static uint64_t seen(const char *text, enum secret_shape shape) {
    uint64_t at_once = 0, n = strlen(text);
    for (size_t cut = 0; cut <= n; cut++) {
        struct secret_scan s = {.n = 0};
        secret_scan_feed(&s, text, cut);
        secret_scan_feed(&s, text + cut, n - cut);
        secret_scan_end(&s);
        if (cut == 0) at_once = s.found[shape];
        CHECK(s.found[shape] == at_once);
    }
    return at_once;
}

static void shapes(void) {
    CHECK(seen("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA\n", SHAPE_PRIVATE_KEY) == 1);
    CHECK(seen("{\"out\":\"x\\n-----BEGIN PRIVATE KEY-----\\nMII\"}", SHAPE_PRIVATE_KEY) == 1);
    CHECK(seen("-----BEGIN RSA PRIVATE KEY----- -----BEGIN EC PRIVATE KEY-----", SHAPE_PRIVATE_KEY) == 2);
    CHECK(seen("-----BEGIN CERTIFICATE-----\nPRIVATE KEY-----\n", SHAPE_PRIVATE_KEY) == 0);
    CHECK(seen("key=sk-abcdefghijklmnopqrstuvwx, sk-learn", SHAPE_OPENAI) == 1);
    CHECK(seen("task-sk-abcdefghijklmnopqrstuvwx", SHAPE_OPENAI) == 0);
    CHECK(seen("ghp_0123456789abcdefghijklmnopqrstuvwxyz", SHAPE_GITHUB) == 1);
    CHECK(seen("AKIAIOSFODNN7EXAMPLE AKIAIOSFODNN7EXAMPLEX AKIAx", SHAPE_AWS) == 1);
    CHECK(seen("xoxb-0123456789-abcdefghij", SHAPE_SLACK) == 1 && seen("xoxo-", SHAPE_SLACK) == 0);
    CHECK(seen("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcdefghijk", SHAPE_JWT) == 1);
    CHECK(seen("eyJhbGciOiJIUzI1NiJ9eyJzdWIiOiIxMjM0NTY3ODkwIn0abcdefghijk", SHAPE_JWT) == 0);
    CHECK(seen("hf_abcdefghijklmnopqrstuvwxyzABCDEFGH", SHAPE_HUGGINGFACE) == 1);
    CHECK(seen("glpat-abcdefghij0123456789", SHAPE_GITLAB) == 1);
}

int main(void) {
    what_is_known();
    everything_that_is_written();
    the_patch();
    shapes();
    return check_done();
}
