// SPDX-License-Identifier: MIT
// Boost.Interprocess message_queue.
#include <boost/interprocess/ipc/message_queue.hpp>
#include <exception>

#include "peer.h"

using boost::interprocess::message_queue;

namespace
{

struct channel {
    message_queue queue;
    unsigned bytes;
    channel(const peer_shape &shape, const char *name)
        : queue(boost::interprocess::create_only, name, shape.capacity, shape.bytes), bytes(shape.bytes)
    {
    }
};

// The mapping is shared, so the children use what was opened before fork.
int boost_open(const peer_shape *shape, const char *name, void **ret_channel)
{
    try {
        *ret_channel = new channel(*shape, name);
    } catch (const std::exception &) {
        return -ENOMEM;
    }
    message_queue::remove(name);
    return 0;
}

void boost_close(void *c)
{
    delete static_cast<channel *>(c);
}

int boost_open_sender(void *c, unsigned, void **ret_sender)
{
    *ret_sender = c;
    return 0;
}

int boost_open_receiver(void *c, void **ret_receiver)
{
    *ret_receiver = c;
    return 0;
}

int boost_send(void *sender, const char *messages, unsigned)
{
    auto *c = static_cast<channel *>(sender);
    c->queue.send(messages, c->bytes, 0);
    return 0;
}

int boost_receive(void *receiver, char *buffer, const char **ret_messages)
{
    auto *c = static_cast<channel *>(receiver);
    message_queue::size_type size;
    unsigned priority;
    c->queue.receive(buffer, c->bytes, size, priority);
    *ret_messages = buffer;
    return 1;
}

BENCH_LOOPS(boost, 1, boost_send, boost_receive, bench_done_nothing)

peer describe()
{
    peer p = peer();
    p.id = "boost";
    p.what = "Boost.Interprocess message_queue";
    p.death = "a process killed while it holds the queue's mutex stops all others for ever";
    p.order = "one queue (with priorities)";
    p.means = "a mutex and two condition variables around an index by priority";
    p.traits = PEER_BLOCKS;
    p.open = boost_open;
    p.close = boost_close;
    p.open_sender = boost_open_sender;
    p.open_receiver = boost_open_receiver;
    p.send_all = boost_send_all;
    p.receive_all = boost_receive_all;
    p.ping = boost_ping;
    p.pong = boost_pong;
    return p;
}

} // namespace

extern "C" {
extern const peer peer_boost;
const peer peer_boost = describe();
}
