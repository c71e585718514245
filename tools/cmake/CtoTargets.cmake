# CtoTargets.cmake - one library per folder, one program per privilege level.
#
# The folder is the unit of privilege: sources are globbed, so a file in worker/ is linked into the worker and nowhere else.
# The libraries are static and internal; with --gc-sections and --as-needed a program needs only the libraries of the
# functions that it really calls, and tests/lint/links.sh holds the exact lists.

function(cto_sources ret)
  file(GLOB found CONFIGURE_DEPENDS ${ARGN})
  list(FILTER found EXCLUDE REGEX "/main\\.c$")
  list(FILTER found EXCLUDE REGEX "/filter_gen[^/]*\\.c$")
  set(${ret} ${found} PARENT_SCOPE)
endfunction()

# cto_folder(NAME GLOBS globs... LIBS libs...): static library cto_NAME of everything but main.c.
function(cto_folder name)
  cmake_parse_arguments(A "" "" "GLOBS;LIBS" ${ARGN})
  cto_sources(sources ${A_GLOBS})
  add_library(cto_${name} STATIC ${sources})
  set_target_properties(cto_${name} PROPERTIES OUTPUT_NAME ${name})
  target_link_libraries(cto_${name} PUBLIC cto_flags cto_instrument ${A_LIBS})
  add_dependencies(cto_${name} cto_build_id)
endfunction()

# cto_program(NAME main.c KIND LIBS...): KIND is cto_exe or cto_exe_static.
function(cto_program name main kind)
  add_executable(${name} ${main} $<TARGET_OBJECTS:cto_identity>)
  target_link_libraries(${name} PRIVATE ${kind} cto_flags cto_instrument ${ARGN})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CTO_BIN_DIR})
  if(kind STREQUAL cto_exe_static AND NOT CTO_INSTRUMENTED)
    set_target_properties(${name} PROPERTIES CTO_STATIC ON)
  endif()
  add_dependencies(${name} cto_build_id)
  set_property(GLOBAL APPEND PROPERTY CTO_PROGRAMS ${name})
endfunction()

set(s ${CMAKE_SOURCE_DIR})

# What common needs follows it in the link line (--as-needed drops what is not called), except into the static launcher,
# where no shared object may even be named: whatever it called of them would be undefined.
set(no_static "$<NOT:$<BOOL:$<TARGET_PROPERTY:CTO_STATIC>>>")
cto_folder(common GLOBS ${s}/common/*.c LIBS $<${no_static}:PkgConfig::CJSON> $<${no_static}:PkgConfig::CRYPTO>)

# The filter generator runs on the build machine and is never installed: libseccomp is linked by it alone.
file(GLOB gen_sources CONFIGURE_DEPENDS ${s}/sandbox/filter_gen*.c)
add_executable(cto-filter-gen ${gen_sources})
target_link_libraries(cto-filter-gen PRIVATE cto_exe cto_flags PkgConfig::SECCOMP)
set_target_properties(cto-filter-gen PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/generator)
add_custom_command(OUTPUT ${CTO_GENERATED}/seccomp_filters.h
  COMMAND cto-filter-gen ${CTO_GENERATED}/seccomp_filters.h
  DEPENDS cto-filter-gen COMMENT "Compiling the seccomp filters" VERBATIM)
add_custom_target(cto_filters DEPENDS ${CTO_GENERATED}/seccomp_filters.h)

cto_folder(sandbox GLOBS ${s}/sandbox/*.c LIBS cto_common)
add_dependencies(cto_sandbox cto_filters)
cto_folder(worker GLOBS ${s}/worker/*.c ${s}/worker/adapters/*.c LIBS cto_sandbox cto_common PkgConfig::CJSON)
cto_folder(inspect GLOBS ${s}/worker/inspect/*.c LIBS cto_sandbox cto_common PkgConfig::GIT2 PkgConfig::ZLIB PkgConfig::CRYPTO)
if(CTO_GIT2_OBJECT_SIZE)
  set_source_files_properties(${s}/worker/inspect/main.c PROPERTIES COMPILE_DEFINITIONS CTO_GIT2_OBJECT_SIZE=1)
endif()
cto_folder(yaml GLOBS ${s}/worker/yaml/*.c LIBS cto_sandbox cto_common PkgConfig::CJSON PkgConfig::YAML)
cto_folder(gateway GLOBS ${s}/worker/gateway/*.c
  LIBS cto_sandbox cto_common PkgConfig::UV PkgConfig::MHD PkgConfig::CURL PkgConfig::CJSON PkgConfig::SSL PkgConfig::CRYPTO)
cto_folder(observe GLOBS ${s}/worker/observe/*.c LIBS cto_sandbox cto_common PkgConfig::CJSON)
cto_folder(fake_agent GLOBS ${s}/worker/fake_agent/*.c LIBS cto_common PkgConfig::CJSON)
cto_folder(supervisor GLOBS ${s}/supervisor/*.c ${s}/supervisor/commands/*.c
  LIBS cto_common PkgConfig::UV PkgConfig::SQLITE PkgConfig::CRYPTO PkgConfig::CJSON PkgConfig::GIT2)
# Made at build time, so no glob finds it.
target_sources(cto_supervisor PRIVATE ${CTO_GENERATED}/embedded.c)
add_dependencies(cto_supervisor cto_embedded)

cto_program(cto-harness ${s}/supervisor/main.c cto_exe cto_supervisor)
cto_program(cto-harness-worker ${s}/worker/main.c cto_exe cto_worker)
cto_program(cto-harness-inspect ${s}/worker/inspect/main.c cto_exe cto_inspect)
cto_program(cto-harness-yaml ${s}/worker/yaml/main.c cto_exe cto_yaml)
cto_program(cto-harness-gateway ${s}/worker/gateway/main.c cto_exe cto_gateway)
cto_program(cto-harness-observe ${s}/worker/observe/main.c cto_exe cto_observe)
cto_program(cto-harness-fake-agent ${s}/worker/fake_agent/main.c cto_exe cto_fake_agent)
# `doctor --probe`: the escape suite without the seam by which its controls take walls down.
cto_folder(probe GLOBS ${s}/tests/escape/*.c LIBS cto_sandbox cto_common)
cto_program(cto-harness-probe ${s}/tests/escape/main.c cto_exe cto_probe)
# What validators run where no real `ca` is there; refused everywhere else (supervisor/double.h).
cto_folder(ca_double GLOBS ${s}/tests/doubles/ca/*.c LIBS cto_common PkgConfig::CJSON)
cto_program(cto-harness-ca-double ${s}/tests/doubles/ca/main.c cto_exe cto_ca_double)
# And what it asks there instead of a model.
cto_program(cto-harness-model-double ${s}/tests/doubles/model/main.c cto_exe cto_common PkgConfig::CJSON PkgConfig::MHD)
include(CtoLauncher)

# Everything that is installed, without the tests.
get_property(programs GLOBAL PROPERTY CTO_PROGRAMS)
add_custom_target(product DEPENDS ${programs})
