# CtoGenerate.cmake - what is made at build time, all in ${CMAKE_BINARY_DIR}/generated:
#
#   build_id.h, build_id.c  the identity of the build, recomputed on every build, rewritten only when it changes
#   embedded.h, embedded.c  schema.sql, supervisor/schemas/*.json and the engine files of worker/adapters/ as bytes
#   build_paths.h           where the installed and the built files are
#   seccomp_filters.h       by cto-filter-gen; its rule is in CtoTargets.cmake beside the program
set(CTO_GENERATED ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${CTO_GENERATED})

# The configuration is part of the identity: a sanitizer build has wider profiles and must not be taken for a release.
set(CTO_BUILD_CONFIGURATION
  "${PROJECT_VERSION};${CMAKE_BUILD_TYPE};${CTO_SANITIZE};${CTO_COVERAGE};${CTO_FUZZ};${CMAKE_C_COMPILER_ID};${CMAKE_C_COMPILER_VERSION};${CMAKE_C_FLAGS}")
add_custom_target(cto_build_id ALL
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${CMAKE_SOURCE_DIR} -DOUT_DIR=${CTO_GENERATED} -DVERSION=${PROJECT_VERSION}
          "-DCONFIGURATION=${CTO_BUILD_CONFIGURATION}" -P ${CMAKE_SOURCE_DIR}/tools/cmake/build-id.cmake
  BYPRODUCTS ${CTO_GENERATED}/build_id.h ${CTO_GENERATED}/build_id.c
  COMMENT "Identity of the build" VERBATIM)

file(GLOB CTO_SCHEMAS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/supervisor/schemas/*.json)
file(GLOB CTO_SCHEMA_SQL CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/schema.sql)
file(GLOB CTO_ENGINES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/worker/adapters/*.json ${CMAKE_SOURCE_DIR}/worker/adapters/engines/*.json)
add_custom_command(
  OUTPUT ${CTO_GENERATED}/embedded.c ${CTO_GENERATED}/embedded.h
  COMMAND ${CMAKE_COMMAND} -DSQL=${CTO_SCHEMA_SQL} "-DSCHEMAS=${CTO_SCHEMAS}" "-DENGINES=${CTO_ENGINES}" -DOUT_DIR=${CTO_GENERATED}
          -P ${CMAKE_SOURCE_DIR}/tools/cmake/embed.cmake
  DEPENDS ${CTO_SCHEMA_SQL} ${CTO_SCHEMAS} ${CTO_ENGINES} ${CMAKE_SOURCE_DIR}/tools/cmake/embed.cmake
  COMMENT "Embedding schema.sql, the JSON Schemas and the engine files" VERBATIM)
add_custom_target(cto_embedded DEPENDS ${CTO_GENERATED}/embedded.c ${CTO_GENERATED}/embedded.h)

configure_file(${CMAKE_SOURCE_DIR}/tools/cmake/build_paths.h.in ${CTO_GENERATED}/build_paths.h @ONLY)

# Linked into every program: the identity as text, and in a sanitizer build the sanitizer's options.
add_library(cto_identity OBJECT ${CTO_GENERATED}/build_id.c)
if(CTO_SANITIZE)
  target_sources(cto_identity PRIVATE ${CMAKE_SOURCE_DIR}/tools/cmake/sanitizer_defaults.c)
endif()
target_link_libraries(cto_identity PRIVATE cto_flags)
add_dependencies(cto_identity cto_build_id)
