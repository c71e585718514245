# CtoInstall.cmake - bin/ for what people call (the launcher: CtoLauncher.cmake), libexec/ for what only the supervisor starts, share/ for data.
install(TARGETS cto-harness RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS cto-harness-worker cto-harness-inspect cto-harness-yaml cto-harness-gateway cto-harness-observe cto-harness-fake-agent cto-harness-probe cto-harness-ca-double
  cto-harness-model-double
  RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/cto-harness)
# Cases keep their modes: an executable bit in a fixture is part of the case.
install(DIRECTORY ${CMAKE_SOURCE_DIR}/cases DESTINATION ${CMAKE_INSTALL_DATADIR}/cto-harness USE_SOURCE_PERMISSIONS
  PATTERN __pycache__ EXCLUDE)
install(FILES ${CMAKE_SOURCE_DIR}/schema.sql ${CMAKE_SOURCE_DIR}/.env.example DESTINATION ${CMAKE_INSTALL_DATADIR}/cto-harness)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/worker/adapters/engines DESTINATION ${CMAKE_INSTALL_DATADIR}/cto-harness FILES_MATCHING PATTERN *.json)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/supervisor/schemas DESTINATION ${CMAKE_INSTALL_DATADIR}/cto-harness FILES_MATCHING PATTERN *.json)
install(FILES ${CMAKE_SOURCE_DIR}/tools/man/cto-harness.1 ${CMAKE_SOURCE_DIR}/tools/man/cto-harness-sandbox.1
  DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
# Found by the name of the command, so the one file stands under both.
foreach(program cto-harness cto-harness-sandbox)
  install(FILES ${CMAKE_SOURCE_DIR}/tools/completion/cto-harness.bash
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ${program})
endforeach()
