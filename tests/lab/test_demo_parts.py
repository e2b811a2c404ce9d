# SPDX-License-Identifier: Apache-2.0
"""The demo's own DNS client and judgement, against bytes and numbers worked out by hand."""

import struct
import unittest

import dns_client
from report import Report
from testbed import Network


class Query(unittest.TestCase):
    def test_carries_the_clients_network(self):
        query = dns_client.encode_query(0xABCD, "www.example.com", dns_client.TYPE_A, "198.18.7.0/24")
        self.assertEqual(query.hex(), (
            "abcd00000001000000000001"                          # header
            "03777777076578616d706c6503636f6d00" "00010001"     # question
            "00" "0029" "04d0" "00000000" "000b"                # OPT, 1232 bytes, 11 of options
            "0008" "0007" "0001" "18" "00" "c61207"))           # Client Subnet, /24

    def test_of_an_ipv6_network_carries_six_bytes(self):
        query = dns_client.encode_query(1, "a.b", dns_client.TYPE_A, "2001:db8:107::/48")
        self.assertTrue(query.hex().endswith("0008" "000a" "0002" "30" "00" "20010db80107"))


class Reply(unittest.TestCase):
    REPLY = bytes.fromhex(
        "abcd84000001000100000001" "03777777076578616d706c6503636f6d00" "00010001"
        "c00c" "0001" "0001" "0000001e" "0004" "c0000203"
        "00" "0029" "04d0" "00000000" "000b" "0008" "0007" "0001" "18" "10" "c61207")

    def test_gives_addresses_and_scope(self):
        number, answer = dns_client.decode(self.REPLY, 1.0)
        self.assertEqual(number, 0xABCD)
        self.assertEqual(answer, dns_client.Answer(0, ["192.0.2.3"], 16, 1.0))

    def test_cut_short_raises_and_never_hangs(self):
        for length in range(len(self.REPLY) - 11):
            with self.assertRaises((struct.error, IndexError)):
                dns_client.decode(self.REPLY[:length], 1.0)


class Judgement(unittest.TestCase):
    def test_good_is_within_one_millisecond_or_five_per_cent(self):
        near = Network("198.18.0.0/24", [10.0, 10.9, 11.1, None])
        self.assertEqual([near.is_good(site) for site in range(4)], [True, True, False, False])
        far = Network("198.18.1.0/24", [200.0, 209.0, 211.0])
        self.assertEqual([far.is_good(site) for site in range(3)], [True, True, False])

    def test_no_answer_is_the_worst_answer(self):
        self.assertEqual(Network("198.18.0.0/24", [10.0]).penalty(None), 9990.0)

    def test_first_host_of_either_family(self):
        self.assertEqual(Network("198.18.7.0/24", [1.0]).address, "198.18.7.1")
        self.assertEqual(Network("2001:db8:107::/48", [1.0]).address, "2001:db8:107::1")

    def test_one_failed_claim_fails_the_report(self):
        report = Report()
        self.assertFalse(report.holds())
        report.claim(True, "a", "1", "1")
        self.assertTrue(report.holds())
        report.claim(False, "b", "2", "1")
        self.assertFalse(report.holds())


if __name__ == "__main__":
    unittest.main()
