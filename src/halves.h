/* SPDX-License-Identifier: MIT */
/* What the two public halves make for each other. */
#ifndef SHMCHAN_HALVES_H
#define SHMCHAN_HALVES_H

#include "members.h"

/* A handle in a channel that the caller uses, and goes on using. */
int sender_make(struct channel *channel, shmchan_sender **ret_tx);
int receiver_make(struct channel *channel, shmchan_receiver **ret_rx);

#endif
