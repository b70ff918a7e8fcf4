# lido_warnings(target): the warnings that all of Lido's own code compiles without.

function(lido_warnings target)
  set(both -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef)
  set(c_only -Wstrict-prototypes -Wmissing-prototypes)
  target_compile_options(${target} PRIVATE ${both} "$<$<COMPILE_LANGUAGE:C>:${c_only}>"
                                           $<$<BOOL:${LIDO_WERROR}>:-Werror>)
endfunction()
