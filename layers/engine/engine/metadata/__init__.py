"""Facts about TikTok videos: links, pages, cache."""
