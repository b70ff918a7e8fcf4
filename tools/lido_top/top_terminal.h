/* top_terminal.h: the terminal as a screen, and back again, whatever ends the program. */
#ifndef LIDO_TOOLS_LIDO_TOP_TOP_TERMINAL_H
#define LIDO_TOOLS_LIDO_TOP_TOP_TERMINAL_H

#include <stdbool.h>

/* false: it can't be a screen; a line on standard error says why. */
bool terminal_begin(void);
void terminal_end(void);

/* The signal that asks the program to end; 0: none has come. */
int terminal_signal(void);

/* End by that signal, as if it had not been caught. The terminal has been given back. */
void terminal_die_of(int signal_number);

#endif
