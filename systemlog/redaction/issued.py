"""Patterns of keys and tokens as services issue them: a prefix, an alphabet and a minimum length.

A large part comes from the rules of gitleaks (https://github.com/gitleaks/gitleaks, config/gitleaks.toml; Copyright (c)
2019 Zachary Rice, MIT License), with two differences. Rules that need the name of the issuer beside the value are left
out, because `patterns` finds a value by its key. Exact lengths are minimum lengths here, because counting to 146 takes
RE2 more states than it keeps.
"""

from __future__ import annotations

ANYWHERE = (
    r"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16,}",  # AWS access key ids
    r"gh[oprsu]_[A-Za-z0-9]{30,}",  # GitHub
    r"github_pat_[A-Za-z0-9_]{30,}",
    r"[rs]k_(?:live|test|prod)_[A-Za-z0-9]{10,}",  # Stripe; its pk_ keys are made to be public
    r"whsec_[A-Za-z0-9+/]{20,}=*",
    r"(?:pi|seti|cs_live|cs_test)_[A-Za-z0-9]{10,}_secret_[A-Za-z0-9]{8,}",
    r"xox[a-z]-[A-Za-z0-9-]{10,}",  # Slack
    r"xapp-[A-Za-z0-9-]{20,}",
    r"hooks\.slack\.com\\*/(?:services|workflows|triggers)\\*/[A-Za-z0-9/\\]{20,}",
    r"discord(?:app)?\.com\\*/api\\*/(?:v[0-9]+\\*/)?webhooks\\*/[0-9]{10,}\\*/[A-Za-z0-9_-]{20,}",
    r"webhook\.office\.com\\*/webhookb2\\*/[A-Za-z0-9@/\\-]{40,}",  # Teams
    r"GR1348941[A-Za-z0-9_-]{20,}",  # GitLab runners
    r"AIza[A-Za-z0-9_-]{35}",  # Google
    r"GOCSPX-[A-Za-z0-9_-]{20,}",
    r"[0-9]Q~[A-Za-z0-9_~.-]{31,}",  # Azure; three more characters stand before
    r"JQQJ9[A-Za-z0-9]{15,}",  # Azure DevOps (AZDO) and others of Azure's own, of which the first half stands before
    r"\.atlasv1\.[A-Za-z0-9_=-]{40,}",  # Terraform; 14 characters stand before
    r"T3BlbkFJ[A-Za-z0-9_-]{15,}",  # OpenAI: the second half of every key
    r"AGE-SECRET-KEY-1[A-Z0-9]{50,}",
    r"\$2[abxy]\$[0-9]{2}\$[A-Za-z0-9./]{50,}",  # hashes of passwords: bcrypt, Django's, Argon2, crypt
    r"(?:pbkdf2_sha(?:1|256|512)|scrypt|bcrypt_sha256)\$[A-Za-z0-9$]+\$[A-Za-z0-9+/=.$]{20,}",
    r"\$argon2i?d?\$v=[0-9]+\$[a-z0-9=,]+\$[A-Za-z0-9+/$]{20,}",
    r"\$[156y]\$[A-Za-z0-9./=$,]{20,}",
    r"bedrock-api-key-[A-Za-z0-9+/=]{20,}",  # AWS
)
"""Patterns that are long or unusual enough to be found after any character."""

AS_A_WORD = (
    r"ya29\.[A-Za-z0-9_-]{20,}",  # Google
    r"1\\*/\\*/0[A-Za-z0-9_-]{25,}",
    r"AQ\.[A-Za-z0-9_-]{30,}",
    r"ABSK[A-Za-z0-9+/]{40,}=*",  # AWS Bedrock
    r"gl(?:pat|rt|dt|cbt|ft|ptt|soat|oas|agent|imt|ffct)-[A-Za-z0-9_.-]{20,}",  # GitLab
    r"sk-(?:ant|proj|svcacct|admin|or|lf)-[A-Za-z0-9_-]{20,}",  # Anthropic, OpenAI, OpenRouter, Langfuse
    r"sk-[A-Za-z0-9]{32,}",  # OpenAI of old, DeepSeek
    r"gsk_[A-Za-z0-9]{40,}",  # Groq
    r"(?:hf|api_org)_[A-Za-z]{30,}",  # Hugging Face
    r"r8_[A-Za-z0-9]{30,}",  # Replicate
    r"pplx-[A-Za-z0-9]{40,}",  # Perplexity
    r"xai-[A-Za-z0-9]{40,}",
    r"SK[0-9a-f]{32}",  # Twilio
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{30,}",  # SendGrid
    r"key-[0-9a-f]{32}",  # Mailgun
    r"[0-9a-f]{32}-us[0-9]{1,2}",  # Mailchimp
    r"x(?:key|smtp)sib-[0-9a-f]{40,}[A-Za-z0-9-]*",  # Brevo
    r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}",  # Resend
    r"opsp_[0-9a-f]{40,}",  # tokens of this project's platform
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-A[A-Za-z0-9_-]{50,}",
    r"rubygems_[0-9a-f]{40,}",
    r"cio[A-Za-z0-9]{32}",  # crates.io
    r"CLOJARS_[a-z0-9]{50,}",
    r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}",  # Docker
    r"do[opr]_v1_[0-9a-f]{40,}",  # DigitalOcean
    r"HRKU-[A-Za-z0-9_-]{30,}",  # Heroku
    r"v1\.0-[0-9a-f]{24}-[0-9a-f]{40,}",  # Cloudflare
    r"hv[bsr]\.[A-Za-z0-9_-]{24,}",  # Vault
    r"dapi[0-9a-f]{32}",  # Databricks
    r"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}",  # Grafana
    r"glc_[A-Za-z0-9+/]{32,}=*",
    r"sntry[su]_[A-Za-z0-9+/=_]{32,}",  # Sentry
    r"NR(?:AK|II|JS|AL)-[A-Za-z0-9-]{19,}",  # New Relic
    r"pscale_(?:tkn|oauth|pw)_[A-Za-z0-9_=.-]{32,}",  # PlanetScale
    r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}",  # Linear
    r"ntn_[A-Za-z0-9]{40,}",  # Notion
    r"secret_[A-Za-z0-9]{43}",
    r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}",  # Shopify
    r"EAA[A-Z][A-Za-z0-9_-]{50,}",  # Square, Facebook
    r"sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,}",
    r"(?:bot)?[0-9]{8,10}:A[A-Za-z0-9_-]{34}",  # Telegram
    r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}",  # Discord bots
    r"sb[pv]_[0-9a-f]{40}",  # Supabase
    r"sb_secret_[A-Za-z0-9_-]{20,}",
    r"AT(?:ATT|CTT)3[A-Za-z0-9_=-]{50,}",  # Atlassian
    r"v[1-4]\.(?:local|public)\.[A-Za-z0-9_.-]{30,}",  # PASETO
    r"A3-[A-Z0-9]{6}-[A-Z0-9]{6,11}-[A-Z0-9-]{15,}",  # 1Password
    r"ops_eyJ[A-Za-z0-9+/]{40,}=*",
    r"p8e-[a-z0-9]{32}",  # Adobe
    r"LTAI[A-Za-z0-9]{20}",  # Alibaba
    r"AKCp[A-Za-z0-9]{40,}|cmVmd[A-Za-z0-9]{40,}",  # Artifactory
    r"dp\.(?:pt|st|ct)\.[A-Za-z0-9.]{40,}",  # Doppler
    r"duffel_(?:test|live)_[A-Za-z0-9_=-]{40,}",
    r"dt0[cs]01\.[A-Z0-9a-z]{24}\.[A-Za-z0-9]{40,}",  # Dynatrace
    r"EZ[AT]K[A-Za-z0-9]{40,}",  # EasyPost
    r"FLWSECK(?:_TEST)?-[A-Za-z0-9]{12,}(?:-X)?",  # Flutterwave
    r"fo1_[A-Za-z0-9_-]{40,}|fm[12][ar]?_[A-Za-z0-9+/]{40,}=*",  # Fly.io
    r"fio-u-[A-Za-z0-9_=-]{40,}",  # Frame.io
    r"[ps]at\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}",  # Harness
    r"ico-[A-Za-z0-9]{32}",  # Infracost
    r"PMAK-[A-Fa-f0-9]{24}-[A-Fa-f0-9]{34}",  # Postman
    r"pnu_[A-Za-z0-9]{36}",  # Prefect
    r"pul-[0-9a-f]{40}",  # Pulumi
    r"rdme_[a-z0-9]{50,}",  # ReadMe
    r"sgp_[A-Za-z0-9_]{40,}",  # Sourcegraph
    r"sha256~[A-Za-z0-9_-]{43}",  # OpenShift
    r"shippo_(?:live|test)_[A-Fa-f0-9]{40}",
    r"sm_[aps]at_[A-Za-z0-9]{16}",  # SettleMint
    r"sq[aup]_[0-9a-f]{40}",  # SonarQube
    r"tfp_[A-Za-z0-9_.=-]{50,}",  # Typeform
    r"tk-us-[A-Za-z0-9_-]{40,}",  # Scalingo
)
"""Patterns that are found only if no letter or digit precedes them."""
