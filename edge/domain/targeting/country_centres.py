"""Where countries are: latitude and longitude of the centre of each, in degrees, by ISO 3166-1 alpha-2 code (and XK).

Of the outlines of Natural Earth 4.1, 1:50m, "Admin 0 - Countries" (public domain, naturalearthdata.com): the centre
of area of what lies within 2,000 km of the country's largest part, so that Alaska and French Guiana move no
centre into an ocean. For 14 small territories that have no outline there, and for KI, whose islands are far apart, the
first place of the country in `zone.tab` of the IANA time zone database (public domain); for AQ, the pole.
"""

from collections.abc import Mapping
from types import MappingProxyType

_TABLE = """
AD 42.5 1.6, AE 23.9 54.3, AF 33.8 65.9, AG 17.3 -61.8, AI 18.2 -63.1, AL 41.1 20.1, AM 40.3 44.9, AO -12.3 17.5,
AQ -90.0 0.0, AR -34.5 -64.8, AS -14.3 -170.7, AT 47.6 14.1, AU -25.7 134.2, AW 12.5 -70.0, AX 60.2 20.0,
AZ 40.3 47.5, BA 44.2 17.8, BB 13.2 -59.6, BD 23.9 90.2, BE 50.6 4.6, BF 12.3 -1.8, BG 42.8 25.2, BH 26.0 50.5,
BI -3.4 29.9, BJ 9.6 2.3, BL 17.9 -62.8, BM 32.3 -64.8, BN 4.5 114.7, BO -16.7 -64.7, BQ 12.2 -68.3,
BR -10.7 -53.1, BS 24.3 -76.6, BT 27.4 90.4, BW -22.2 23.8, BY 53.5 28.0, BZ 17.2 -88.7, CA 60.1 -98.1,
CC -12.2 96.9, CD -2.9 23.6, CF 6.6 20.5, CG -0.8 15.2, CH 46.8 8.2, CI 7.6 -5.6, CK -21.2 -159.8,
CL -35.0 -71.1, CM 5.7 12.7, CN 36.9 103.3, CO 3.9 -73.1, CR 10.0 -84.2, CU 21.6 -79.0, CV 16.0 -24.0,
CW 12.2 -69.0, CX -10.4 105.7, CY 34.9 33.0, CZ 49.7 15.3, DE 51.1 10.4, DJ 11.7 42.6, DK 56.0 10.0,
DM 15.4 -61.4, DO 18.9 -70.5, DZ 28.0 2.6, EC -1.4 -78.8, EE 58.7 25.5, EG 26.5 29.9, EH 24.2 -12.3,
ER 15.4 38.9, ES 40.2 -3.7, ET 8.6 39.6, FI 64.3 26.2, FJ -17.4 178.5, FK -51.7 -59.4, FM 6.8 157.7,
FO 62.1 -6.9, FR 46.5 2.6, GA -0.6 11.8, GB 54.0 -2.8, GD 12.1 -61.7, GE 42.2 43.5, GF 4.9 -52.3, GG 49.5 -2.6,
GH 7.9 -1.2, GI 36.1 -5.3, GL 73.1 -41.8, GM 13.5 -15.4, GN 10.4 -10.9, GP 16.2 -61.5, GQ 1.7 10.3, GR 39.0 23.0,
GS -54.5 -36.5, GT 15.7 -90.4, GU 13.4 144.8, GW 12.0 -14.9, GY 4.8 -59.0, HK 22.4 114.1, HM -53.1 73.5,
HN 14.8 -86.6, HR 45.1 16.4, HT 18.9 -72.7, HU 47.2 19.4, ID -1.7 111.6, IE 53.2 -8.1, IL 31.5 35.0,
IM 54.2 -4.5, IN 22.8 79.6, IO -7.3 72.4, IQ 33.0 43.8, IR 32.5 54.4, IS 65.0 -18.6, IT 42.7 12.2, JE 49.2 -2.1,
JM 18.2 -77.3, JO 31.2 36.8, JP 37.5 137.7, KE 0.6 37.8, KG 41.5 74.5, KH 12.7 104.9, KI 1.4 173.0,
KM -11.9 43.7, KN 17.3 -62.7, KP 40.1 127.2, KR 36.4 127.8, KW 29.3 47.6, KY 19.4 -80.9, KZ 48.4 67.2,
LA 18.5 103.8, LB 33.9 35.9, LC 13.9 -61.0, LI 47.1 9.5, LK 7.6 80.7, LR 6.5 -9.3, LS -29.6 28.2, LT 55.3 23.9,
LU 49.8 6.1, LV 56.9 24.9, LY 27.0 18.1, MA 29.8 -8.7, MC 43.8 7.4, MD 47.2 28.5, ME 42.8 19.2, MF 18.1 -63.1,
MG -19.3 46.7, MH 7.0 170.3, MK 41.6 21.7, ML 17.3 -3.6, MM 21.1 96.5, MN 46.9 103.2, MO 22.2 113.5,
MP 15.8 145.6, MQ 14.6 -61.1, MR 20.2 -10.4, MS 16.7 -62.2, MT 35.9 14.4, MU -20.3 57.6, MV 3.7 73.5,
MW -13.2 34.3, MX 23.9 -102.1, MY 3.8 109.7, MZ -17.2 35.6, NA -22.1 17.2, NC -21.3 165.7, NE 17.4 9.3,
NF -29.1 167.9, NG 9.6 8.1, NI 12.8 -85.0, NL 52.3 5.6, NO 66.4 12.7, NP 28.3 83.9, NR -0.5 166.9,
NU -19.0 -169.9, NZ -41.7 172.9, OM 20.6 56.1, PA 8.5 -80.1, PE -9.1 -74.4, PF -14.7 -144.8, PG -6.5 145.2,
PH 11.7 122.9, PK 29.9 69.2, PL 52.1 19.4, PM 46.9 -56.3, PN -24.4 -128.3, PR 18.2 -66.5, PS 31.9 35.2,
PT 39.6 -8.5, PW 7.3 134.4, PY -23.2 -58.4, QA 25.3 51.2, RE -20.9 55.5, RO 45.8 25.0, RS 44.2 20.8,
RU 66.6 94.2, RW -2.0 29.9, SA 24.1 44.7, SB -8.9 159.6, SC -4.7 55.5, SD 16.0 29.9, SE 62.4 16.3, SG 1.4 103.8,
SH -12.4 -9.7, SI 46.1 14.8, SJ 78.0 16.0, SK 48.7 19.5, SL 8.6 -11.8, SM 43.9 12.5, SN 14.4 -14.5, SO 4.7 45.7,
SR 4.1 -55.9, SS 7.3 30.2, ST 0.4 6.7, SV 13.7 -88.9, SX 18.1 -63.1, SY 35.0 38.5, SZ -26.6 31.5, TC 21.8 -72.0,
TD 15.3 18.6, TF -49.3 69.2, TG 8.5 1.0, TH 15.1 101.0, TJ 38.5 71.0, TK -9.4 -171.2, TL -8.8 125.8,
TM 39.1 59.4, TN 34.1 9.6, TO -20.4 -174.8, TR 39.1 35.2, TT 10.5 -61.3, TV -8.5 179.2, TW 23.7 121.0,
TZ -6.3 34.8, UA 49.2 31.3, UG 1.3 32.4, UM 28.2 -177.4, US 39.8 -99.0, UY -32.8 -56.0, UZ 41.8 63.3,
VA 41.9 12.4, VC 13.2 -61.2, VE 7.1 -66.2, VG 18.5 -64.5, VI 18.0 -64.8, VN 16.5 106.3, VU -16.2 167.7,
WF -13.9 -177.3, WS -13.8 -172.2, XK 42.6 20.9, YE 15.9 47.6, YT -12.8 45.2, ZA -29.0 25.3, ZM -13.5 27.8,
ZW -19.0 29.9
"""


def _read(table: str) -> dict[str, tuple[float, float]]:
    words = (each.split() for each in table.split(",") if each.strip())
    return {country: (float(latitude), float(longitude)) for country, latitude, longitude in words}


CENTRES: Mapping[str, tuple[float, float]] = MappingProxyType(_read(_TABLE))
