// A netlink dump as one number, so that a look at whether anything was changed costs neither memory
// nor parsing: what counts of each message is hashed, and the hashes are added up, whatever their order.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "steps.h"

static uint64_t mix(uint64_t hash, const void *data, size_t n) {
  const uint8_t *bytes = data;
  for (size_t i = 0; i < n; i++) hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
  return hash;
}

// Counters, ages and such change by themselves.
static bool counts(uint16_t message, uint16_t attribute) {
  switch (message) {
  case RTM_NEWLINK:
    return attribute == IFLA_IFNAME || attribute == IFLA_ADDRESS || attribute == IFLA_MTU || attribute == IFLA_LINKINFO;
  case RTM_NEWADDR:
    return attribute != IFA_CACHEINFO;
  case RTM_NEWROUTE:
    return attribute != RTA_CACHEINFO;
  case RTM_NEWNEIGH:
    return attribute != NDA_CACHEINFO && attribute != NDA_PROBES;
  default:
    return true;
  }
}

static size_t header_length(uint16_t message) {
  switch (message) {
  case RTM_NEWLINK:
    return sizeof(struct ifinfomsg);
  case RTM_NEWADDR:
    return sizeof(struct ifaddrmsg);
  default: // routes, neighbours and rules
    return sizeof(struct rtmsg);
  }
}

static uint64_t message_digest(const struct nlmsghdr *h) {
  const uint8_t *body = NLMSG_DATA(h);
  size_t length = h->nlmsg_len - NLMSG_HDRLEN, at = NLMSG_ALIGN(header_length(h->nlmsg_type));
  if (length < at) return 0;
  uint64_t hash = mix(0xcbf29ce484222325ULL, &h->nlmsg_type, sizeof h->nlmsg_type);
  if (h->nlmsg_type == RTM_NEWLINK) {
    const struct ifinfomsg *link = (const struct ifinfomsg *)body;
    uint32_t up = link->ifi_flags & IFF_UP;
    hash = mix(mix(hash, &link->ifi_index, sizeof link->ifi_index), &up, sizeof up);
  } else {
    // Neighbours that the kernel found by itself come and go.
    if (h->nlmsg_type == RTM_NEWNEIGH && !(((const struct ndmsg *)body)->ndm_state & NUD_PERMANENT)) return 0;
    hash = mix(hash, body, at);
  }
  while (at + NLA_HDRLEN <= length) {
    const struct nlattr *a = (const struct nlattr *)(body + at);
    if (a->nla_len < NLA_HDRLEN || at + a->nla_len > length) break;
    if (counts(h->nlmsg_type, a->nla_type & NLA_TYPE_MASK)) hash = mix(hash, a, a->nla_len);
    at += NLA_ALIGN(a->nla_len);
  }
  return hash;
}

// Payload as of step_netlink, a dump; the result is eight bytes.
void step_digest(struct reader *r, struct writer *w, struct sockets *sockets, uint32_t sequence) {
  struct writer dump = {0};
  step_netlink(r, &dump, sockets, sequence);
  int32_t error = ENOMEM;
  if (!dump.failed && dump.length >= 8) memcpy(&error, dump.data, 4);
  if (error) {
    if (dump.failed || dump.length < 8) result_text(w, error, "netlink: answer too large");
    else put(w, dump.data, dump.length);
  } else {
    uint64_t sum = 0;
    size_t left = dump.length - 8;
    for (struct nlmsghdr *h = (struct nlmsghdr *)(dump.data + 8); NLMSG_OK(h, left); h = NLMSG_NEXT(h, left))
      sum += message_digest(h);
    result(w, 0, &sum, sizeof sum);
  }
  free(dump.data);
}
