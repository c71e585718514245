# embed.cmake - cmake -P script: files as C arrays, NUL-terminated. SQL: path or empty; SCHEMAS, ENGINES: lists; OUT_DIR.
cmake_minimum_required(VERSION 3.25)
function(bytes_of file ret_text ret_size)
  file(READ ${file} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," text "${hex}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n    " text "${text}")
  set(${ret_text} "${text}" PARENT_SCOPE)
  set(${ret_size} ${size} PARENT_SCOPE)
endfunction()

file(WRITE ${OUT_DIR}/embedded.h "/* Made by tools/cmake/embed.cmake. */
#ifndef CTO_EMBEDDED_H
#define CTO_EMBEDDED_H

#include <stddef.h>

extern const char embedded_schema_sql[]; /* schema.sql, NUL-terminated */

struct embedded_file {
    const char *name; /* file name without .json */
    const char *text; /* NUL-terminated */
    size_t len;       /* without the NUL */
};
extern const struct embedded_file embedded_schemas[]; /* by name */
extern const size_t embedded_schemas_count;
extern const struct embedded_file embedded_engines[]; /* by name */
extern const size_t embedded_engines_count;

#endif
")

set(c "/* Made by tools/cmake/embed.cmake. */\n#include \"embedded.h\"\n\n")
set(text "")
if(SQL)
  bytes_of(${SQL} text size)
endif()
string(APPEND c "const char embedded_schema_sql[] = {\n    ${text}0};\n\n")
# One spare row in each table: an array of C has at least one element.
foreach(kind schemas engines)
  string(TOUPPER ${kind} list)
  set(rows "")
  set(files ${${list}})
  set(n 0)
  list(SORT files COMPARE FILE_BASENAME)
  foreach(f IN LISTS files)
    bytes_of(${f} text size)
    get_filename_component(name ${f} NAME_WLE)
    string(APPEND c "static const char ${kind}_${n}[] = {\n    ${text}0};\n\n")
    string(APPEND rows "    {\"${name}\", ${kind}_${n}, ${size}},\n")
    math(EXPR n "${n} + 1")
  endforeach()
  string(APPEND c "const struct embedded_file embedded_${kind}[] = {\n${rows}    {0, 0, 0}};\nconst size_t embedded_${kind}_count = ${n};\n\n")
endforeach()
file(WRITE ${OUT_DIR}/embedded.c "${c}")
