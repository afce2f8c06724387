"""The platform: a store, durable jobs, an API and a dashboard over the same run folders as the command line's.

The extra ``serve`` installs what it needs: ``pip install 'radversary[serve]'``; ``radversary serve`` starts it.
"""
