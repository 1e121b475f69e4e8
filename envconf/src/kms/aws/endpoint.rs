//! The endpoints of AWS. They come from the key's region or from environment variables, never from a pair.

use crate::base::{Error, Fault, Variables};
use crate::kms::KmsError;
use crate::kms::endpoint::{Endpoint, EndpointRules};

/// The machine's metadata service, by its IPv4 and its IPv6 address.
const METADATA: [&str; 2] = ["169.254.169.254", "[fd00:ec2::254]"];

const RULES: EndpointRules = EndpointRules {
    plain_http: &[],
    allows_path: false,
    advice: "set it to a host or https://HOST[:PORT], or to http://127.0.0.1:PORT for a server on this machine",
};

/// Like [`RULES`], for the metadata service, which supports plain `http` only.
const METADATA_RULES: EndpointRules = EndpointRules { plain_http: &METADATA, ..RULES };

/// A service of AWS that envconf uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AwsService {
    Kms,
    Sts,
    /// The service that issues credentials after a login with a browser.
    SsoPortal,
}

impl AwsService {
    /// Returns the name of the service in host names.
    fn host(self) -> &'static str {
        match self {
            Self::Kms => "kms",
            Self::Sts => "sts",
            Self::SsoPortal => "portal.sso",
        }
    }

    fn own_setting(self) -> &'static str {
        match self {
            Self::Kms => "ENVCONF_AWS_ENDPOINT",
            Self::Sts => "ENVCONF_AWS_STS_ENDPOINT",
            Self::SsoPortal => "ENVCONF_AWS_SSO_ENDPOINT",
        }
    }

    fn common_setting(self) -> &'static str {
        match self {
            Self::Kms => "AWS_ENDPOINT_URL_KMS",
            Self::Sts => "AWS_ENDPOINT_URL_STS",
            Self::SsoPortal => "AWS_ENDPOINT_URL_SSO",
        }
    }
}

/// Every variable that the endpoints depend on.
pub(super) const VARIABLES: [&str; 13] = [
    "ENVCONF_AWS_ENDPOINT",
    "ENVCONF_AWS_STS_ENDPOINT",
    "ENVCONF_AWS_SSO_ENDPOINT",
    "ENVCONF_AWS_METADATA_ENDPOINT",
    "AWS_ENDPOINT_URL_KMS",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_ENDPOINT_URL",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
];

/// The settings of the endpoints.
///
/// envconf's own variables are checked at once. Variables that every AWS program reads may be meant for another
/// program, so they are checked at the first request.
#[derive(Debug)]
pub(super) struct Endpoints {
    variables: Variables,
    own: [Option<Endpoint>; 3],
    metadata: Option<Endpoint>,
}

impl Endpoints {
    /// Reads envconf's own settings, and keeps the other variables for the first request.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::Kind::Usage) for a setting of envconf that is empty or malformed.
    pub(super) fn from_variables(variables: &Variables) -> Result<Self, Error> {
        let own = |name: &str, rules| -> Result<Option<Endpoint>, Error> {
            variables.setting(name)?.map(|text| Endpoint::parse(&text, name, rules)).transpose()
        };
        Ok(Self {
            variables: variables.clone(),
            own: [
                own(AwsService::Kms.own_setting(), &RULES)?,
                own(AwsService::Sts.own_setting(), &RULES)?,
                own(AwsService::SsoPortal.own_setting(), &RULES)?,
            ],
            metadata: own("ENVCONF_AWS_METADATA_ENDPOINT", &METADATA_RULES)?,
        })
    }

    /// Returns the endpoint of `service` in this region, and the setting that it comes from.
    ///
    /// # Errors
    /// For a malformed variable, and for one that demands an endpoint that the region does not have.
    pub(super) fn of(&self, service: AwsService, region: &str) -> Result<(Endpoint, &'static str), KmsError> {
        if let Some(endpoint) = &self.own[service as usize] {
            let origin = match service {
                AwsService::Kms => "of ENVCONF_AWS_ENDPOINT",
                AwsService::Sts => "of ENVCONF_AWS_STS_ENDPOINT",
                AwsService::SsoPortal => "of ENVCONF_AWS_SSO_ENDPOINT",
            };
            return Ok((endpoint.clone(), origin));
        }
        if !self.is_on("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")? {
            for (name, origin) in [
                (service.common_setting(), "of AWS_ENDPOINT_URL_<SERVICE>"),
                ("AWS_ENDPOINT_URL", "of AWS_ENDPOINT_URL"),
            ] {
                if let Some(text) = text(&self.variables, name)? {
                    return Ok((parsed(&text, name, &RULES)?, origin));
                }
            }
        }
        let (fips, dual) = (self.is_on("AWS_USE_FIPS_ENDPOINT")?, self.is_on("AWS_USE_DUALSTACK_ENDPOINT")?);
        regional(service, region, fips, dual).map(|host| (Endpoint::https(host), "of the key's region"))
    }

    /// Returns the endpoint of the machine's metadata service.
    ///
    /// # Errors
    /// For a malformed variable.
    pub(super) fn metadata(&self) -> Result<Endpoint, KmsError> {
        const SERVICE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
        if let Some(endpoint) = &self.metadata {
            return Ok(endpoint.clone());
        }
        if let Some(text) = text(&self.variables, SERVICE)? {
            return parsed(&text, SERVICE, &METADATA_RULES);
        }
        let mode = text(&self.variables, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")?.unwrap_or_default();
        match mode.to_ascii_lowercase().as_str() {
            "" | "ipv4" => Ok(Endpoint::plain_http(METADATA[0])),
            "ipv6" => Ok(Endpoint::plain_http(METADATA[1])),
            _ => Err(wrong("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is neither IPv4 nor IPv6")),
        }
    }

    /// Returns true if this boolean variable of AWS is `true`.
    pub(super) fn is_on(&self, name: &'static str) -> Result<bool, KmsError> {
        let value = text(&self.variables, name)?.unwrap_or_default();
        match value.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "" | "false" => Ok(false),
            _ => Err(wrong(format!("{name} is neither true nor false"))),
        }
    }
}

/// Returns the text of a variable that other AWS programs read too. An empty one counts as not set, as in these
/// programs.
pub(super) fn text(variables: &Variables, name: &str) -> Result<Option<String>, KmsError> {
    let Some(value) = variables.get(name) else { return Ok(None) };
    let value = value.into_string().map_err(|_| wrong(format!("{name} is not Unicode text")))?;
    Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty()))
}

fn parsed(text: &str, name: &str, rules: &EndpointRules) -> Result<Endpoint, KmsError> {
    Endpoint::parse(text, name, rules).map_err(|error| {
        let advice =
            format!("{}; to set another endpoint for envconf only, use ENVCONF_AWS_ENDPOINT", rules.advice);
        wrong(error.message().to_owned()).advise_with(advice)
    })
}

fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> KmsError {
    KmsError::new(Fault::Refused, message).advise("correct it, or unset it").tries(0)
}

/// For each partition: the prefix of its regions, its domain, and its dual-stack domain (IPv4 and IPv6).
const PARTITIONS: &[(&str, &str, Option<&str>)] = &[
    ("cn-", "amazonaws.com.cn", Some("api.amazonwebservices.com.cn")),
    ("eusc-", "amazonaws.eu", Some("api.amazonwebservices.eu")),
    ("us-iso-", "c2s.ic.gov", None),
    ("us-isob-", "sc2s.sgov.gov", None),
    ("eu-isoe-", "cloud.adc-e.uk", None),
    ("us-isof-", "csp.hci.ic.gov", None),
    ("eu-isof-", "csp.hci.ic.gov", None),
    ("", "amazonaws.com", Some("api.aws")),
];

/// Returns the domain and the dual-stack domain of a region.
fn domains(region: &str) -> (&'static str, Option<&'static str>) {
    let row = PARTITIONS.iter().find(|(prefix, ..)| region.starts_with(prefix));
    row.map_or(("amazonaws.com", None), |(_, domain, dual)| (domain, *dual))
}

fn regional(service: AwsService, region: &str, fips: bool, dual: bool) -> Result<String, KmsError> {
    let (domain, of_both) = domains(region);
    let domain = match of_both.filter(|_| dual) {
        Some(domain) => domain,
        None if dual => {
            return Err(wrong(format!(
                "AWS_USE_DUALSTACK_ENDPOINT is true, but envconf knows no such endpoint for {region}"
            ))
            .advise("unset it, or name the endpoint in ENVCONF_AWS_ENDPOINT"));
        }
        None => domain,
    };
    // In GovCloud, the normal endpoints of STS are FIPS endpoints.
    let has_own = !(service == AwsService::Sts && region.starts_with("us-gov-") && !dual);
    let fips = if fips && has_own { "-fips" } else { "" };
    Ok(format!("{}{fips}.{region}.{domain}", service.host()))
}

/// Returns the site of a host. All hosts of a site share a clock, and all hosts of AWS are one site.
pub(super) fn site(host: &str) -> &str {
    const CLOUD: &str = "amazonaws.com";
    let is_of = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    let is_of_cloud =
        PARTITIONS.iter().any(|(_, domain, of_both)| is_of(domain) || of_both.is_some_and(is_of));
    if is_of_cloud { CLOUD } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(pairs: &[(&str, &str)]) -> Endpoints {
        Endpoints::from_variables(&Variables::given(pairs.iter().copied())).unwrap()
    }

    fn url(pairs: &[(&str, &str)], service: AwsService, region: &str) -> Result<String, String> {
        let found = endpoints(pairs).of(service, region);
        found.map(|(endpoint, _)| endpoint.url()).map_err(|error| error.message.into_owned())
    }

    /// The expected hosts are those of botocore 1.43.
    #[test]
    fn every_partition_has_its_domain() {
        const FIPS: (&str, &str) = ("AWS_USE_FIPS_ENDPOINT", "true");
        const DUAL: (&str, &str) = ("AWS_USE_DUALSTACK_ENDPOINT", "TRUE");
        for (pairs, service, region, host) in [
            (&[][..], AwsService::Kms, "us-east-1", "kms.us-east-1.amazonaws.com"),
            (&[FIPS], AwsService::Kms, "us-east-1", "kms-fips.us-east-1.amazonaws.com"),
            (&[DUAL], AwsService::Kms, "us-east-1", "kms.us-east-1.api.aws"),
            (&[FIPS, DUAL], AwsService::Kms, "eu-central-1", "kms-fips.eu-central-1.api.aws"),
            (&[], AwsService::Kms, "cn-north-1", "kms.cn-north-1.amazonaws.com.cn"),
            (&[DUAL], AwsService::Kms, "cn-north-1", "kms.cn-north-1.api.amazonwebservices.com.cn"),
            (&[], AwsService::Kms, "us-gov-west-1", "kms.us-gov-west-1.amazonaws.com"),
            (&[FIPS], AwsService::Kms, "us-gov-west-1", "kms-fips.us-gov-west-1.amazonaws.com"),
            (&[FIPS], AwsService::Sts, "us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
            (&[FIPS, DUAL], AwsService::Sts, "us-gov-west-1", "sts-fips.us-gov-west-1.api.aws"),
            (&[FIPS], AwsService::Sts, "eu-west-1", "sts-fips.eu-west-1.amazonaws.com"),
            (&[], AwsService::Kms, "eusc-de-east-1", "kms.eusc-de-east-1.amazonaws.eu"),
            (&[DUAL], AwsService::Kms, "eusc-de-east-1", "kms.eusc-de-east-1.api.amazonwebservices.eu"),
            (&[], AwsService::Kms, "us-iso-east-1", "kms.us-iso-east-1.c2s.ic.gov"),
            (&[], AwsService::Kms, "us-isob-east-1", "kms.us-isob-east-1.sc2s.sgov.gov"),
            (&[], AwsService::Kms, "eu-isoe-west-1", "kms.eu-isoe-west-1.cloud.adc-e.uk"),
            (&[], AwsService::Kms, "us-isof-south-1", "kms.us-isof-south-1.csp.hci.ic.gov"),
            (&[], AwsService::SsoPortal, "eu-west-1", "portal.sso.eu-west-1.amazonaws.com"),
        ] {
            assert_eq!(url(pairs, service, region), Ok(format!("https://{host}/")), "{pairs:?}");
        }
        assert!(url(&[DUAL], AwsService::Kms, "us-isob-east-1").unwrap_err().contains("DUALSTACK"));
        assert!(url(&[("AWS_USE_FIPS_ENDPOINT", "yes")], AwsService::Kms, "r").is_err());
    }

    #[test]
    fn the_most_specific_setting_counts() {
        const ALL: (&str, &str) = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
        const KMS: (&str, &str) = ("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:2");
        const OWN: (&str, &str) = ("ENVCONF_AWS_ENDPOINT", "http://127.0.0.1:3");
        const IGNORED: (&str, &str) = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
        let kms = |pairs: &[(&str, &str)]| url(pairs, AwsService::Kms, "r-1").unwrap();
        let sts = |pairs: &[(&str, &str)]| url(pairs, AwsService::Sts, "r-1").unwrap();
        assert_eq!(kms(&[ALL]), "http://127.0.0.1:1/");
        assert_eq!(kms(&[ALL, KMS]), "http://127.0.0.1:2/");
        assert_eq!(kms(&[ALL, KMS, OWN]), "http://127.0.0.1:3/");
        assert_eq!(kms(&[ALL, KMS, IGNORED]), "https://kms.r-1.amazonaws.com/");
        assert_eq!(kms(&[ALL, OWN, IGNORED]), "http://127.0.0.1:3/");
        assert_eq!(sts(&[ALL, KMS, OWN]), "http://127.0.0.1:1/");
        assert_eq!(sts(&[KMS, OWN]), "https://sts.r-1.amazonaws.com/");
        assert_eq!(sts(&[("AWS_ENDPOINT_URL_STS", ""), ALL]), "http://127.0.0.1:1/");
    }

    #[test]
    fn a_shared_variable_is_checked_at_the_first_request_only() {
        let it = endpoints(&[("AWS_ENDPOINT_URL", "http://localstack:4566")]);
        let error = it.of(AwsService::Kms, "r-1").unwrap_err();
        assert!(error.message.contains("AWS_ENDPOINT_URL uses http for a host outside"), "{}", error.message);
        assert!(error.advice.unwrap().contains("ENVCONF_AWS_ENDPOINT"));
        for bad in ["http://localstack:4566", "", "https://h/p", "ftp://h"] {
            let variables = Variables::given([("ENVCONF_AWS_ENDPOINT", bad)]);
            assert!(Endpoints::from_variables(&variables).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_metadata_service_has_a_link_local_address() {
        let url = |pairs: &[(&str, &str)]| endpoints(pairs).metadata().map(|endpoint| endpoint.url());
        assert_eq!(url(&[]).unwrap(), "http://169.254.169.254/");
        let mode = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";
        assert_eq!(url(&[(mode, "IPv6")]).unwrap(), "http://[fd00:ec2::254]/");
        assert!(url(&[(mode, "both")]).is_err());
        let common = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
        assert_eq!(url(&[(common, "http://127.0.0.1:9/")]).unwrap(), "http://127.0.0.1:9/");
        assert_eq!(url(&[(common, "http://[fd00:ec2::254]")]).unwrap(), "http://[fd00:ec2::254]/");
        assert!(url(&[(common, "http://10.0.0.1")]).is_err());
    }

    #[test]
    fn all_hosts_of_aws_share_a_clock() {
        assert_eq!(site("sts.eu-west-1.amazonaws.com"), site("kms.cn-north-1.amazonaws.com.cn"));
        assert_eq!(site("kms.us-east-1.api.aws"), site("kms.us-iso-east-1.c2s.ic.gov"));
        assert_ne!(site("127.0.0.1:1"), site("127.0.0.1:2"));
        // The owner of a similar name must not be able to change the time for AWS.
        assert_eq!(site("kms.notamazonaws.com"), "kms.notamazonaws.com");
    }
}
