"""The job in Scrapy: follow every link below the start's folder; one item a page with url, title and headings.

Written three ways; `compare.py` uses the fastest on this job, `links`. All run at Scrapy's defaults but for
CONCURRENT_REQUESTS_PER_DOMAIN=16, DOWNLOAD_DELAY=0 and ROBOTSTXT_OBEY=False, which the command line sets.
"""

import scrapy
from scrapy.linkextractors import LinkExtractor


class Pages(scrapy.Spider):
    name = "pages"

    def __init__(self, start, way="links", **arguments):
        super().__init__(**arguments)
        self.start_urls = [start]
        self.inside = start.rsplit("/", 1)[0] + "/"
        self.follow = getattr(self, way)
        self.extractor = LinkExtractor(allow=self.inside)

    def parse(self, response):
        if not isinstance(response, scrapy.http.HtmlResponse):
            return
        yield {
            "url": response.url,
            "title": self.text(response.css("title")[0]),
            "headings": [self.text(node) for node in response.css("h1, h2, h3, h4, h5, h6")],
        }
        yield from self.follow(response)

    @staticmethod
    def text(node):
        return " ".join(node.xpath("string()").get().split())

    def links(self, response):
        """Each href once a page, without its fragment."""
        hrefs = {href.partition("#")[0] for href in response.css("a::attr(href)").getall()}
        for url in map(response.urljoin, hrefs):
            if url.startswith(self.inside):
                yield scrapy.Request(url)

    def every(self, response):
        """As the tutorial does it: a request for each href."""
        for href in response.css("a::attr(href)").getall():
            url = response.urljoin(href)
            if url.startswith(self.inside):
                yield scrapy.Request(url)

    def extracted(self, response):
        """As the manual recommends for whole sites."""
        for link in self.extractor.extract_links(response):
            yield scrapy.Request(link.url)
