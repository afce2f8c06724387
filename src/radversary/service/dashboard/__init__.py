"""The dashboard: pages by topic over :mod:`radversary.service.catalogue`, drawn on the server.

htmx sends forms and swaps parts, server-sent events tell progress, uPlot draws trends; all of it lies in ``static/``,
the parts of others in ``static/vendor`` with their licences and hashes. No page asks another host for anything.
"""
