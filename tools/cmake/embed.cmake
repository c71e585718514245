# embed.cmake - cmake -P script: files as C arrays, NUL-terminated. SQL: path or empty; SCHEMAS: list; OUT_DIR.
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

#endif
")

set(c "/* Made by tools/cmake/embed.cmake. */\n#include \"embedded.h\"\n\n")
set(text "")
if(SQL)
  bytes_of(${SQL} text size)
endif()
string(APPEND c "const char embedded_schema_sql[] = {\n    ${text}0};\n\n")
set(rows "")
set(n 0)
list(SORT SCHEMAS)
foreach(f IN LISTS SCHEMAS)
  bytes_of(${f} text size)
  get_filename_component(name ${f} NAME_WLE)
  string(APPEND c "static const char schema_${n}[] = {\n    ${text}0};\n\n")
  string(APPEND rows "    {\"${name}\", schema_${n}, ${size}},\n")
  math(EXPR n "${n} + 1")
endforeach()
# One spare row: an array of C has at least one element.
string(APPEND c "const struct embedded_file embedded_schemas[] = {\n${rows}    {0, 0, 0}};\nconst size_t embedded_schemas_count = ${n};\n")
file(WRITE ${OUT_DIR}/embedded.c "${c}")
