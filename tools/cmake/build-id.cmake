# build-id.cmake - cmake -P script. The build id is SHA-256 over the version, the configuration, and name and SHA-256 of
# every source that ends up in a program. Written only when it changes, so that nothing is rebuilt without need.
cmake_minimum_required(VERSION 3.25)
file(GLOB_RECURSE files RELATIVE ${SOURCE_DIR}
  ${SOURCE_DIR}/common/*.[ch] ${SOURCE_DIR}/sandbox/*.[ch] ${SOURCE_DIR}/sandbox/*.def ${SOURCE_DIR}/worker/*.[ch]
  ${SOURCE_DIR}/worker/*.def ${SOURCE_DIR}/worker/adapters/*.json ${SOURCE_DIR}/supervisor/*.[ch] ${SOURCE_DIR}/supervisor/*.def
  ${SOURCE_DIR}/tests/escape/*.[ch] ${SOURCE_DIR}/supervisor/schemas/*.json ${SOURCE_DIR}/schema.sql)
list(REMOVE_DUPLICATES files)
list(SORT files)
set(manifest "${CONFIGURATION}\n")
foreach(f IN LISTS files)
  file(SHA256 ${SOURCE_DIR}/${f} sum)
  string(APPEND manifest "${sum}  ${f}\n")
endforeach()
string(SHA256 id "${manifest}")

set(header "/* Made by tools/cmake/build-id.cmake. */
#ifndef CTO_BUILD_ID_H
#define CTO_BUILD_ID_H

#define CTO_VERSION \"${VERSION}\"
#define CTO_BUILD_ID \"${id}\" /* SHA-256 of sources, version and configuration, in hex */
#define CTO_BUILD_ID_MARK \"CTO-BUILD-ID:\" /* this and the id stand in every program's file, found without running it */

#endif
")
set(source "/* Made by tools/cmake/build-id.cmake: the identity as text in the program's file. */
#include \"build_id.h\"

extern const char cto_build_id_text[];
/* retain: nothing refers to it, and the linker collects what nothing refers to. */
__attribute__((used, retain)) const char cto_build_id_text[] = CTO_BUILD_ID_MARK CTO_BUILD_ID;
")
foreach(pair "build_id.h;header" "build_id.c;source")
  list(GET pair 0 name)
  list(GET pair 1 variable)
  set(old "")
  if(EXISTS ${OUT_DIR}/${name})
    file(READ ${OUT_DIR}/${name} old)
  endif()
  if(NOT old STREQUAL ${variable})
    file(WRITE ${OUT_DIR}/${name} "${${variable}}")
  endif()
endforeach()
