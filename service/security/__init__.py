"""Access to the service: API keys and quotas, allowed hosts, requests from web pages, addresses behind proxies."""
