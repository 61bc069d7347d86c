/* SPDX-License-Identifier: Apache-2.0 */
#include "cp/curl_loop.h"

#include <stdlib.h>
#include <sys/epoll.h>

static void
finish(struct curl_loop *m)
{
	CURLMsg *message;
	CURLcode code;
	void *arg;
	int left;

	while ((message = curl_multi_info_read(m->curl, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		code = message->data.result;
		arg = NULL;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &arg);
		if (arg)
			m->done(message->easy_handle, code, arg);
	}
}

static void
act(struct curl_loop *m, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(m->curl, fd, what, &running);
	finish(m);
}

static void
on_socket(int fd, uint32_t events, void *arg)
{
	int what = 0;

	if (events & EPOLLIN)
		what |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		what |= CURL_CSELECT_ERR;
	act(arg, fd, what);
}

static void
on_timer(void *arg)
{
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

/* libcurl wants to hear of a socket, or not any more. */
static int
watch(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct curl_loop *m = arg;
	uint32_t events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		loop_fd_remove(m->loop, fd);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		events |= EPOLLOUT;
	if (known)
		return loop_fd_modify(m->loop, fd, events) < 0 ? -1 : 0;
	loop_fd_remove(m->loop, fd); /* one of the same number that was closed unseen */
	if (loop_fd_add(m->loop, fd, events, on_socket, m) < 0)
		return -1;
	curl_multi_assign(m->curl, fd, m);
	return 0;
}

/* Never acts at once: libcurl calls this from within its own functions. */
static int
set_timer(CURLM *curl, long ms, void *arg)
{
	struct curl_loop *m = arg;

	(void)curl;
	if (ms < 0)
		loop_timer_disarm(m->timer);
	else
		loop_timer_arm(m->timer, loop_now() + (uint64_t)ms * 1000000ull);
	return 0;
}

void
curl_loop_destroy(struct curl_loop *m)
{
	if (!m)
		return;
	if (m->curl)
		curl_multi_cleanup(m->curl);
	loop_timer_free(m->timer);
	free(m);
	curl_global_cleanup();
}

struct curl_loop *
curl_loop_create(struct loop *loop, curl_loop_fn *done)
{
	struct curl_loop *m;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return NULL;
	m = calloc(1, sizeof(*m));
	if (!m) {
		curl_global_cleanup();
		return NULL;
	}
	m->loop = loop;
	m->done = done;
	m->timer = loop_timer_create(loop, on_timer, m);
	m->curl = curl_multi_init();
	if (!m->timer || !m->curl) {
		curl_loop_destroy(m);
		return NULL;
	}
	curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, watch);
	curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m);
	curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m);
	return m;
}
