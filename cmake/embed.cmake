# Embeds files as NUL-terminated texts: embed(out.c symbol file...) defines
#   const struct embedded symbol[] = {{"name", "text", length}, ..., {0}};
# with struct embedded from the generated header symbol.h in the current binary directory.
set(EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/embed_files.cmake)
function(embed out symbol)
  set(header ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.h)
  add_custom_command(
    OUTPUT ${out} ${header}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DHEADER=${header} -DSYMBOL=${symbol} "-DFILES=${ARGN}" -P ${EMBED_SCRIPT}
    DEPENDS ${ARGN} ${EMBED_SCRIPT}
    VERBATIM)
endfunction()
