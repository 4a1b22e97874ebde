/* SPDX-License-Identifier: MIT */
/*
 * Takes the terminal for drawing with curses, and gives it back whatever ends the process. Knows nothing of
 * channels.
 *
 * A signal that ends the process is handled where it strikes: curses may be in the middle of anything, so the
 * handler restores the terminal with what was kept for it, and lets the signal do its work. Signals that only
 * interrupt (stop, go on, another size) are blocked except while waiting for a key.
 */
#include "terminal.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* All that end a process unless it is prepared, and can be prepared for. */
static const int endings[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGILL,  SIGTRAP, SIGABRT,   SIGBUS,
                              SIGFPE,  SIGUSR1, SIGSEGV, SIGUSR2, SIGALRM, SIGTERM,   SIGSTKFLT,
                              SIGXCPU, SIGXFSZ, SIGSYS,  SIGPROF, SIGIO,   SIGVTALRM, SIGPWR};
static struct sigaction ending_before[COUNT(endings)];
/* And those that have no meaning of their own, SIGRTMIN to SIGRTMAX, which the libc says only now. */
static struct sigaction realtime_before[_NSIG];

static const int interruptions[] = {SIGTSTP, SIGCONT, SIGWINCH};
static struct sigaction interruption_before[COUNT(interruptions)];
static sigset_t mask_before, mask_waiting;

static volatile sig_atomic_t taken; /* the terminal is in our mode */
static volatile sig_atomic_t stop_asked, went_on, resized;

static SCREEN *screen;
static bool have_keys;
/* For the handler: modes and the sequences that lead back. */
static struct termios modes_before;
static char way_back[256];
static size_t way_back_length;

/* ---------------------------------------------------------------- giving it back at once */

static void restore_at_once(void)
{
    if (!taken)
        return;
    taken = 0;
    /* Someone else's by now, if this process was stopped and put into the background. */
    pid_t foreground = tcgetpgrp(STDOUT_FILENO);
    if (foreground > 0 && foreground != getpgrp())
        return;
    tcflow(STDOUT_FILENO, TCOON); /* what Ctrl-S holds back would hold back the end */
    ssize_t n = write(STDOUT_FILENO, way_back, way_back_length);
    (void)n;
    tcsetattr(STDOUT_FILENO, TCSANOW, &modes_before);
}

static void on_ending(int signo)
{
    int errno_before = errno;
    restore_at_once();
    for (size_t i = 0; i < COUNT(endings); i++) {
        if (endings[i] == signo)
            sigaction(signo, &ending_before[i], NULL);
    }
    if (signo >= SIGRTMIN)
        sigaction(signo, &realtime_before[signo], NULL);
    raise(signo); /* blocked until this returns */
    errno = errno_before;
}

static void on_interruption(int signo)
{
    if (signo == SIGTSTP)
        stop_asked = 1;
    else if (signo == SIGCONT)
        went_on = 1;
    else
        resized = 1;
}

/* Not for a signal that is ignored: nohup(1) means it. */
static void handle(int signo, void (*handler)(int), struct sigaction *ret_before)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigfillset(&action.sa_mask);
    sigaction(signo, NULL, ret_before);
    if (ret_before->sa_handler != SIG_IGN)
        sigaction(signo, &action, NULL);
}

/* A stack that ran over is no place for a handler. */
static void prepare_stack(void)
{
    static char room[64 * 1024];
    stack_t other = {.ss_sp = room, .ss_size = sizeof room}, present;
    if (sigaltstack(NULL, &present) == 0 && (present.ss_flags & SS_DISABLE))
        sigaltstack(&other, NULL);
}

static void handle_signals(void)
{
    sigset_t held;
    sigemptyset(&held);
    prepare_stack();
    for (size_t i = 0; i < COUNT(interruptions); i++)
        sigaddset(&held, interruptions[i]);
    sigprocmask(SIG_BLOCK, &held, &mask_before);
    mask_waiting = mask_before;
    for (size_t i = 0; i < COUNT(interruptions); i++) {
        sigdelset(&mask_waiting, interruptions[i]);
        handle(interruptions[i], on_interruption, &interruption_before[i]);
    }
    for (size_t i = 0; i < COUNT(endings); i++)
        handle(endings[i], on_ending, &ending_before[i]);
    for (int signo = SIGRTMIN; signo <= SIGRTMAX && signo < (int)COUNT(realtime_before); signo++)
        handle(signo, on_ending, &realtime_before[signo]);
}

static void unhandle_signals(void)
{
    for (size_t i = 0; i < COUNT(endings); i++)
        sigaction(endings[i], &ending_before[i], NULL);
    for (int signo = SIGRTMIN; signo <= SIGRTMAX && signo < (int)COUNT(realtime_before); signo++)
        sigaction(signo, &realtime_before[signo], NULL);
    for (size_t i = 0; i < COUNT(interruptions); i++)
        sigaction(interruptions[i], &interruption_before[i], NULL);
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
}

/* ---------------------------------------------------------------- taking it */

static int keep(int c)
{
    if (way_back_length < sizeof way_back)
        way_back[way_back_length++] = (char)c;
    return c;
}

/* tigetstr() answers -1 for what is no string capability. */
static void keep_way_back(void)
{
    static const char *const capabilities[] = {"rmkx", "op", "sgr0", "rmcup", "cnorm"};
    way_back_length = 0;
    for (size_t i = 0; i < COUNT(capabilities); i++) {
        const char *sequence = tigetstr(capabilities[i]);
        if (sequence != NULL && sequence != (const char *)-1)
            tputs(sequence, 1, keep);
    }
}

bool terminal_is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Of a terminal without a cursor that can be moved curses makes what it can, which is nothing to watch. */
static bool drawable(void)
{
    int trouble;
    if (setupterm(NULL, STDOUT_FILENO, &trouble) != OK)
        return false;
    const char *sequence = tigetstr("cup");
    bool movable = sequence != NULL && sequence != (const char *)-1;
    del_curterm(cur_term);
    return movable;
}

bool terminal_take(bool colour)
{
    static bool at_exit;
    if (tcgetattr(STDOUT_FILENO, &modes_before) < 0 || !drawable())
        return false;
    /* Ours must be there first: curses sets handlers of its own where it finds none. */
    handle_signals();
    screen = newterm(NULL, stdout, stdin);
    if (screen == NULL) {
        unhandle_signals();
        return false;
    }
    keep_way_back();
    taken = 1;
    if (!at_exit)
        atexit(terminal_give_back);
    at_exit = true;
    have_keys = isatty(STDIN_FILENO);
    set_escdelay(25);
    cbreak();
    noecho();
    nonl();
    intrflush(stdscr, FALSE);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    if (colour && has_colors() && start_color() == OK)
        use_default_colors();
    return true;
}

void terminal_give_back(void)
{
    if (!taken)
        return;
    endwin();
    taken = 0;
    unhandle_signals();
    delscreen(screen);
    screen = NULL;
}

/* ---------------------------------------------------------------- keys */

static void stop_here(void)
{
    sigset_t stop, before;
    endwin();
    taken = 0;
    sigaction(SIGTSTP, &interruption_before[0], NULL);
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    raise(SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &stop, &before); /* stops here, until SIGCONT */
    sigprocmask(SIG_SETMASK, &before, NULL);
    struct sigaction ignored;
    handle(SIGTSTP, on_interruption, &ignored);
    went_on = 1;
}

/* Whether all must be drawn anew. */
static bool interrupted(void)
{
    bool anew = false;
    if (stop_asked) {
        stop_asked = 0;
        stop_here();
    }
    if (went_on) {
        went_on = 0;
        /* Whoever had the terminal meanwhile has left it in another mode. A refresh after endwin() sets all
           of ours. */
        endwin();
        resized = 1;
        taken = 1;
        anew = true;
    }
    if (resized) {
        struct winsize size;
        resized = 0;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
            resizeterm(size.ws_row, size.ws_col);
        clearok(curscr, TRUE);
        anew = true;
    }
    return anew;
}

/* False: nobody will ever press a key again. */
static bool wait_for_input(int64_t ns)
{
    struct pollfd input = {.fd = have_keys ? STDIN_FILENO : -1, .events = POLLIN};
    struct timespec time = {ns / 1000000000, ns % 1000000000};
    int n = ppoll(&input, 1, &time, &mask_waiting);
    return n <= 0 || !(input.revents & (POLLHUP | POLLERR | POLLNVAL));
}

int terminal_key(int64_t deadline_ns)
{
    for (;;) {
        if (interrupted())
            return KEY_RESIZE;
        int key = have_keys ? getch() : ERR;
        if (key != ERR)
            return key;
        int64_t left = deadline_ns - clock_monotonic_ns();
        if (left <= 0)
            return TERMINAL_TIME_OVER;
        if (!wait_for_input(left))
            return TERMINAL_GONE;
    }
}
