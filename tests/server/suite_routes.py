"""Every route, against values computed from Unicode's files."""

import random
import re
import tempfile
import urllib.parse

from server_process import Server, ServerCase, Settings, check_end
from unicode_reference import Reference

GET_TARGETS = ("/healthz", "/metrics", "/blocks", "/characters/41", "/characters?name=SNOW", "/blocks/Basic%20Latin",
               "/nowhere")


class Routes(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reference = Reference(Settings.unicode_data)

    def ask(self, target, status=200):
        answer = self.server.get(target)
        self.assertEqual(answer.status, status, target)
        return answer.json()

    def check_problem(self, target, status):
        problem = self.ask(target, status)
        self.assertEqual(problem["status"], status)
        self.assertIsInstance(problem["error"], str)

    # ---- Characters ----

    def test_characters_of_all_kinds(self):
        special = [0, 0x22, 0x41, 0x5C, 0x7F, 0xDF, 0xE9, 0x1C5, 0x300, 0x2028, 0x4E00, 0x9FFF, 0xAC00, 0xAC01, 0xD7A3,
                   0x17000, 0x1F600, 0x20000, 0x31350, 0xE0001]
        drawn = random.Random(1).sample(self.reference.codes, 1000)
        with self.server.connect() as client:
            for code in special + drawn:
                answer = client.get(f"/characters/{code:x}")
                self.assertEqual((answer.status, answer.json()), (200, self.reference.details(code)))

    def test_every_hangul_syllable_has_its_name(self):
        rows = self.ask("/blocks/Hangul%20Syllables")["characters"]
        self.assertEqual([row["name"] for row in rows],
                         [self.reference.fields[code][0] for code in range(0xAC00, 0xD7A4)])

    def test_a_code_may_be_written_in_several_ways(self):
        expected = self.reference.details(0xE9)
        for text in ("E9", "e9", "00e9", "0000E9", "%45%39", "00%659"):
            self.assertEqual(self.ask(f"/characters/{text}"), expected)

    def test_characters_without_a_name_are_not_found(self):
        for text in ("D800", "E000", "378", "10FFFF", "FFFFE"):
            self.check_problem(f"/characters/{text}", 404)

    def test_what_is_no_code_is_refused(self):
        for text in ("xyz", "110000", "0000041", "-1", "+41", "%2041", "41%20", "4%201",
                     "%F0%9F%98%80"):
            self.check_problem(f"/characters/{text}", 400)

    # ---- Search ----

    def test_search_finds_what_the_file_has(self):
        for part, limit in (("SNOW", 20), ("LATIN SMALL LETTER", 1000), ("IDEOGRAPH-4E", 300), ("ZERO WIDTH", 5),
                            ("HANGUL SYLLABLE GA", 7), ("-", 11), ("NO SUCH NAME", 20), ("<control>", 100)):
            word = urllib.parse.quote(part, safe="")
            found = self.ask(f"/characters?name={word}&limit={limit}")
            part = part.upper()
            self.assertEqual(found, {"limit": limit, "characters": self.reference.search(part, limit)}, part)

    def test_search_decodes_its_words(self):
        expected = self.ask("/characters?name=GREEK%20SMALL&limit=3")
        for query in ("name=greek+small&limit=3", "limit=3&name=Greek%20Small", "x=1&&name=%47reek+small&y&limit=3",
                      "name=GREEK+SMALL&limit=3&limit=9&name=other", "name=GREEK+SMALL&limit=003"):
            self.assertEqual(self.ask(f"/characters?{query}"), expected, query)
        self.assertEqual(self.ask("/characters?name=GREEK%2BSMALL")["characters"], [])

    def test_search_words_are_data_not_sql(self):
        for word in ("' OR 1=1 --", "%", "_", "\\", "\"; DROP TABLE characters; --", "?1", "é", "\x01"):
            query = urllib.parse.quote(word, safe="")
            expected = self.reference.search(word.upper(), 20)
            self.assertEqual(self.ask(f"/characters?name={query}")["characters"], expected, word)
        self.assertEqual(self.ask("/characters?name=%FF%FE")["characters"], [])

    def test_search_has_a_default_limit(self):
        self.assertEqual(self.ask("/characters?name=LETTER"),
                         {"limit": 20, "characters": self.reference.search("LETTER", 20)})

    def test_bad_searches_are_refused(self):
        for query in ("", "?", "?limit=3", "?name=", "?name", "?name=A&limit=0", "?name=A&limit=1001",
                      "?name=A&limit=-1", "?name=A&limit=", "?name=A&limit=ten", "?name=A&limit=99999999999999999999",
                      "?name=%", "?name=%4", "?name=%GG", "?name=%00", "?name=A%00B", "?names=A"):
            self.check_problem(f"/characters{query}", 400)

    # ---- Blocks ----

    def test_the_list_of_blocks(self):
        self.assertEqual(self.ask("/blocks"), {"blocks": self.reference.block_list()})

    def test_blocks_with_all_their_characters(self):
        for name in ("Basic Latin", "Egyptian Hieroglyphs", "Yi Syllables", "CJK Unified Ideographs",
                     "Private Use Area", "Miscellaneous Symbols and Arrows", "No_Block"):
            target = f"/blocks/{urllib.parse.quote(name)}"
            if name == "No_Block":
                self.check_problem(target, 404)
            else:
                self.assertEqual(self.ask(target), self.reference.block(name))

    def test_the_case_of_a_block_does_not_matter(self):
        self.assertEqual(self.ask("/blocks/basic%20LATIN"), self.reference.block("Basic Latin"))

    def test_other_names_of_blocks_are_not_found(self):
        for name in ("x", "Basic", "Basic+Latin", "%27", "Basic%2FLatin", "Basic%20Latin%20"):
            self.check_problem(f"/blocks/{name}", 404)
        for name in ("%", "%2", "%zz", "%00", "Basic%00Latin"):
            self.check_problem(f"/blocks/{name}", 400)

    # ---- The rest ----

    def test_health(self):
        self.assertEqual(self.ask("/healthz"), {"status": "ok"})
        self.assertEqual(self.ask("/healthz?deep=1"), {"status": "ok"})

    def test_other_paths_are_not_found(self):
        for target in ("/", "/x", "/character", "/characters/", "/characters/41/", "/blocks/", "/blocks/a/b",
                       "//blocks", "/healthz/", "/HEALTHZ", "/%68ealthz"):
            self.check_problem(target, 404)

    def test_a_whole_url_as_target(self):
        self.assertEqual(self.ask("http://example.org:80/healthz"), {"status": "ok"})
        self.check_problem("http://example.org", 404)

    def test_metrics_are_well_formed_and_count(self):
        answer = self.server.get("/metrics")
        self.assertEqual(answer.headers["content-type"], "text/plain; version=0.0.4")
        names = set()
        for line in answer.body.decode().splitlines():
            self.assertRegex(line, r'^(# HELP \w+ .+|# TYPE \w+ (counter|gauge|histogram)'
                                   r'|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? \d+(\.\d+)?)$')
            if line.startswith("# TYPE"):
                name = line.split()[2]
                self.assertNotIn(name, names)
                names.add(name)
            elif not line.startswith("#"):
                name = re.match(r"\w+", line)[0]
                self.assertTrue(name in names or re.sub("_(bucket|count|sum)$", "", name) in names, name)

    def test_lido_tells_the_same_as_the_server(self):
        metrics = self.server.metrics()
        connections, requests = '{pool="connections"}', '{arena_class="requests"}'
        if "lido_pool_live_objects" + connections not in metrics:
            self.skipTest("this server does not stand on Lido")
        self.assertEqual(metrics["lido_pool_live_objects" + connections], metrics["http_memory_connections_live"])
        self.assertEqual(metrics["lido_arena_class_live_arenas" + requests], metrics["http_memory_requests_live"])
        self.assertGreaterEqual(metrics["lido_arena_class_acquires_total" + requests],
                                metrics['http_requests_total{class="2xx"}'])

    def test_requests_are_counted_by_class(self):
        before = self.server.metrics()
        for target in ("/healthz", "/healthz", "/nowhere", "/characters/zz", "/blocks"):
            self.server.get(target)
        after = self.server.metrics()
        grown = {name: after[name] - before[name] for name in after}
        self.assertEqual(grown['http_requests_total{class="2xx"}'], 4)  # the first /metrics counts itself afterwards
        self.assertEqual(grown['http_requests_total{class="4xx"}'], 2)
        self.assertGreaterEqual(grown["http_connections_accepted_total"], 6)
        self.assertGreater(grown["http_bytes_out_total"], 20000)

    def test_head_is_get_without_a_body(self):
        with self.server.connect() as client:
            for target in GET_TARGETS:
                full, head = client.get(target), client.get(target, method="HEAD")
                self.assertEqual(head.status, full.status)
                self.assertEqual(head.headers["content-type"], full.headers["content-type"])
                if target != "/metrics":
                    self.assertEqual(head.headers["content-length"], str(len(full.body)))
            self.assertEqual(client.get("/healthz").status, 200)

    def test_other_methods_are_not_allowed(self):
        with self.server.connect() as client:
            for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
                answer = client.get("/blocks", method=method)
                self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, HEAD"), method)
            for method in ("PROPFIND", "LOCK", "SUBSCRIBE"):
                self.assertEqual(client.get("/blocks", method=method).status, 501, method)
            self.assertEqual(client.get("/healthz").status, 200)

    def test_answers_are_dated(self):
        self.assertRegex(self.server.get("/healthz").headers["date"],
                         r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$")


class Databases(ServerCase):
    """One in memory is as good as one in a file, and a file is filled once."""

    def test_in_memory(self):
        server = Server(database=False)
        expected = self.server.get("/blocks/Cyrillic").body
        self.assertEqual(server.get("/blocks/Cyrillic").body, expected)
        check_end(server)

    def test_a_file_needs_no_unicode_data(self):
        with tempfile.TemporaryDirectory() as folder:
            server = Server("--unicode-data", folder)
            self.assertEqual(server.get("/characters/41").status, 200)
            check_end(server)
