"""The job of ``hosts.py`` in Scrapy."""

import random

import scrapy


class Hosts(scrapy.Spider):
    name = "hosts"

    def __init__(self, hosts, pages, port, **arguments):
        super().__init__(**arguments)
        self.start_urls = [
            f"http://127.1.{host // 250}.{host % 250 + 1}:{port}/{page}.html"
            for host in range(int(hosts))
            for page in range(int(pages))
        ]
        random.Random(1).shuffle(self.start_urls)

    def parse(self, response):
        yield {"url": response.url}
