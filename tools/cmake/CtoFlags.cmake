# CtoFlags.cmake - language, warnings, hardening, sanitizers and libraries, as INTERFACE targets.
#
#   cto_flags        every object of ours: C17 with GNU extensions, warnings, hardening
#   cto_instrument   sanitizer, coverage or fuzzing instrumentation; empty in a release build
#   cto_exe          a dynamic executable: PIE, RELRO, BIND_NOW
#   cto_exe_static   the static launcher: static PIE; dynamic when instrumented (no sanitizer runs in a static program)
#
# CTO_SANITIZED is defined in a sanitizer build and nowhere else: the sanitizer's runtime needs system calls and mappings
# that the release profiles refuse, so code may widen a seccomp profile under it. The build id of such a build differs, so
# a release supervisor never starts a widened worker.

option(CTO_WERROR "Warnings are errors" OFF)
set(CTO_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=: address,undefined or thread")
option(CTO_COVERAGE "Instrument for gcov" OFF)
option(CTO_FUZZ "Instrument for libFuzzer and build tests/fuzz with it (clang)" OFF)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Debug or RelWithDebInfo" FORCE)
endif()

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# All programs of the product lie beside each other, so that they find each other as they do when installed.
set(CTO_BIN_DIR ${CMAKE_BINARY_DIR}/bin)

find_package(PkgConfig REQUIRED)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv>=1.44)
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson>=1.7.15)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.40)
pkg_check_modules(GIT2 REQUIRED IMPORTED_TARGET libgit2>=1.5)
# An enumerator that Debian's security update of 1.5.1 has, and the 1.5.1 of its first release has not.
include(CheckCSourceCompiles)
set(CMAKE_REQUIRED_INCLUDES ${GIT2_INCLUDE_DIRS})
check_c_source_compiles("#include <git2.h>
int main(void) { return GIT_OPT_SET_PACK_MAX_OBJECT_SIZE == 0; }" CTO_GIT2_OBJECT_SIZE)
unset(CMAKE_REQUIRED_INCLUDES)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib>=1.2.11)
pkg_check_modules(SSL REQUIRED IMPORTED_TARGET libssl>=3.0)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3.0)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1>=0.2.5)
pkg_check_modules(MHD REQUIRED IMPORTED_TARGET libmicrohttpd>=0.9.75)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.88)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp>=2.5.4)

add_library(cto_flags INTERFACE)
target_include_directories(cto_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
# Empty, not 1: a file that says `#define _GNU_SOURCE` itself then defines the same macro.
target_compile_definitions(cto_flags INTERFACE "_GNU_SOURCE=")
target_compile_options(cto_flags INTERFACE
  -Wall -Wextra -Wformat=2 -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
  $<$<BOOL:${CTO_WERROR}>:-Werror>
  -fPIE -fstack-protector-strong -fstack-clash-protection -fno-common
  -ffunction-sections -fdata-sections)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|i.86)$")
  target_compile_options(cto_flags INTERFACE -fcf-protection)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  target_compile_options(cto_flags INTERFACE -mbranch-protection=standard)
endif()

add_library(cto_instrument INTERFACE)
set(CTO_INSTRUMENTED OFF)
if(CTO_SANITIZE)
  set(CTO_INSTRUMENTED ON)
  target_compile_options(cto_instrument INTERFACE -fsanitize=${CTO_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(cto_instrument INTERFACE -fsanitize=${CTO_SANITIZE})
  target_compile_definitions(cto_flags INTERFACE CTO_SANITIZED=1)
endif()
if(CTO_COVERAGE)
  set(CTO_INSTRUMENTED ON)
  target_compile_options(cto_instrument INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(cto_instrument INTERFACE --coverage)
  target_compile_definitions(cto_flags INTERFACE CTO_COVERAGE=1)
endif()
if(CTO_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "CTO_FUZZ needs clang: configure with -DCMAKE_C_COMPILER=clang (preset fuzz does)")
  endif()
  set(CTO_INSTRUMENTED ON)
  target_compile_options(cto_instrument INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(cto_instrument INTERFACE -fsanitize=fuzzer-no-link)
endif()
# Fortification replaces the functions that a sanitizer intercepts, and needs an optimiser.
if(NOT CTO_SANITIZE AND NOT CTO_COVERAGE)
  target_compile_options(cto_flags INTERFACE $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
endif()

set(CTO_LINK_HARDENING -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed -Wl,--gc-sections)
add_library(cto_exe INTERFACE)
target_link_options(cto_exe INTERFACE -pie ${CTO_LINK_HARDENING})
add_library(cto_exe_static INTERFACE)
if(CTO_INSTRUMENTED)
  target_link_libraries(cto_exe_static INTERFACE cto_exe)
else()
  target_link_options(cto_exe_static INTERFACE -static-pie ${CTO_LINK_HARDENING})
endif()
