# CtoLauncher.cmake - cto-harness-sandbox, the static launcher.
#
# With musl where there is musl-gcc: a jail is started for every command, and the start-up code of a static glibc program is
# a measurable part of it (it asks the processor what it can do, and under virtualisation each question is an exit to the
# hypervisor: 0.6 of 3.4 ms where this was measured). Without musl-gcc, and in an instrumented build, the usual compiler.
find_program(CTO_MUSL_GCC musl-gcc)
# rcrt1.o starts a static PIE; the spec file of Debian's musl-gcc knows only -static, so the start files are named here.
find_path(CTO_MUSL_LIB rcrt1.o PATHS /usr/lib/${CMAKE_SYSTEM_PROCESSOR}-linux-musl /usr/lib/musl/lib NO_DEFAULT_PATH)
if(NOT CTO_MUSL_GCC OR NOT CTO_MUSL_LIB OR CTO_INSTRUMENTED)
  cto_program(cto-harness-sandbox ${CMAKE_SOURCE_DIR}/sandbox/main.c cto_exe_static cto_sandbox)
  install(TARGETS cto-harness-sandbox RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  return()
endif()

# Only what the launcher calls: not the worker's way in, not the inspector's confinement.
set(launcher_common)
foreach(name err io pass_fd buf path clock log text cgroup cgroup_find cgroup_sweep)
  list(APPEND launcher_common ${CMAKE_SOURCE_DIR}/common/${name}.c)
endforeach()
file(GLOB launcher_sandbox CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/sandbox/*.c)
list(FILTER launcher_sandbox EXCLUDE REGEX "/(filter_gen[^/]*|enter|confine_self|confine_gateway)\\.c$")
file(GLOB launcher_headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/common/*.h ${CMAKE_SOURCE_DIR}/sandbox/*.h
  ${CMAKE_SOURCE_DIR}/sandbox/*.def)
set(launcher ${CTO_BIN_DIR}/cto-harness-sandbox)
# The kernel's headers are where the distribution has them; musl's own come first.
add_custom_command(OUTPUT ${launcher}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CTO_BIN_DIR}
  COMMAND ${CTO_MUSL_GCC} -std=gnu17 -O2 -g -D_GNU_SOURCE= -I${CMAKE_SOURCE_DIR} -I${CTO_GENERATED}
    -idirafter /usr/include -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
    -Wall -Wextra -Wformat=2 -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla $<$<BOOL:${CTO_WERROR}>:-Werror>
    -fPIE -fstack-protector-strong -fstack-clash-protection -fno-common -ffunction-sections -fdata-sections
    -static -nostartfiles -Wl,-pie -Wl,--no-dynamic-linker -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--gc-sections
    ${CTO_MUSL_LIB}/rcrt1.o ${CTO_MUSL_LIB}/crti.o
    ${launcher_sandbox} ${launcher_common} ${CTO_GENERATED}/build_id.c ${CTO_MUSL_LIB}/crtn.o -o ${launcher}
  DEPENDS ${launcher_sandbox} ${launcher_common} ${launcher_headers} ${CTO_GENERATED}/seccomp_filters.h
    ${CTO_GENERATED}/build_id.c ${CTO_GENERATED}/build_id.h cto_build_id
  COMMENT "The static launcher, with musl" VERBATIM COMMAND_EXPAND_LISTS)
add_custom_target(cto-harness-sandbox ALL DEPENDS ${launcher})
set_property(GLOBAL APPEND PROPERTY CTO_PROGRAMS cto-harness-sandbox)
install(PROGRAMS ${launcher} DESTINATION ${CMAKE_INSTALL_BINDIR})
