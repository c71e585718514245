/* sanitizer_defaults.c - linked into every program of a sanitizer build. Our programs start each other with environments that
 * they build, so ASAN_OPTIONS does not reach them: the defaults are compiled in. A confined process may not be traced, so it
 * cannot look for leaks; unit tests are not confined and switch that on by ASAN_OPTIONS. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void) { return "detect_leaks=0:abort_on_error=1"; }
const char *__ubsan_default_options(void) { return "print_stacktrace=1:halt_on_error=1"; }
